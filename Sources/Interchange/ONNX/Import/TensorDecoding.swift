import Foundation

/// Turns stored tensors into numbers; sizes are proven against the bytes that are there before anything is allocated.
struct TensorDecoder {
    /// The folder of the model; external data is read from nowhere else.
    var folder: String?
    /// Elements of one tensor, at most.
    var elementLimit: Int

    func decode(_ tensor: ONNXTensorProto) throws(ONNXError) -> ConstantTensor {
        func fail(_ reason: String) -> ONNXError { .tensor(name: tensor.name, reason: reason) }
        guard let type = ElementType(rawValue: tensor.dataType) else {
            throw fail("element type \(tensor.dataType) is not supported")
        }
        let shape = tensor.dims.map { Int($0) }
        guard shape.count <= 8 else { throw fail("\(shape.count) dimensions are too many") }
        guard let count = elementCount(shape), count <= elementLimit else {
            throw fail("\(shape) elements are more than the limit of \(elementLimit)")
        }
        if tensor.dataLocation == .external {
            let bytes = try external(tensor, count * type.byteCount)
            return Self.decode(bytes, type, shape)
        }
        if tensor.hasRawData {
            guard tensor.rawData.count == count * type.byteCount else {
                throw fail("\(shape) needs \(count * type.byteCount) bytes, found \(tensor.rawData.count)")
            }
            return Self.decode(tensor.rawData, type, shape)
        }
        let found: ConstantTensor.Values
        switch type {
        case .float: found = .floats(tensor.floatData)
        case .double: found = .floats(tensor.doubleData.map { Float($0) })
        case .int64: found = .integers(tensor.int64Data.map { Int($0) })
        case .uint32, .uint64: found = .integers(tensor.uint64Data.map { Int(clamping: $0) })
        case .float16:
            found = .floats(tensor.int32Data.map { HalfPrecision.float(UInt16(truncatingIfNeeded: $0)) })
        case .uint8, .int8, .uint16, .int16, .int32, .bool:
            found = .integers(tensor.int32Data.map { Int($0) })
        }
        guard found.count == count else {
            throw fail("\(shape) needs \(count) numbers, found \(found.count)")
        }
        switch found {
        case .floats(let values): return ConstantTensor(shape: shape, floats: values)
        case .integers(let values): return ConstantTensor(shape: shape, integers: values)
        }
    }

    /// Numbers of raw little-endian bytes, whose count was checked.
    private static func decode(_ bytes: Data, _ type: ElementType, _ shape: [Int]) -> ConstantTensor {
        func numbers<Number: FixedWidthInteger>(_: Number.Type) -> [Number] {
            bytes.withUnsafeBytes { raw in
                (0..<raw.count / MemoryLayout<Number>.size).map {
                    let at = $0 * MemoryLayout<Number>.size
                    return Number(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: Number.self))
                }
            }
        }
        func integers<Number: FixedWidthInteger>(_ type: Number.Type) -> ConstantTensor {
            ConstantTensor(shape: shape, integers: numbers(type).map { Int(clamping: $0) })
        }
        switch type {
        case .float:
            return ConstantTensor(shape: shape, floats: numbers(UInt32.self).map { Float(bitPattern: $0) })
        case .double:
            return ConstantTensor(
                shape: shape, floats: numbers(UInt64.self).map { Float(Double(bitPattern: $0)) })
        case .float16: return ConstantTensor(shape: shape, floats: numbers(UInt16.self).map { HalfPrecision.float($0) })
        case .uint8, .bool: return integers(UInt8.self)
        case .int8: return integers(Int8.self)
        case .uint16: return integers(UInt16.self)
        case .int16: return integers(Int16.self)
        case .int32: return integers(Int32.self)
        case .uint32: return integers(UInt32.self)
        case .int64: return integers(Int64.self)
        case .uint64: return integers(UInt64.self)
        }
    }

    /// The bytes of a tensor in a file beside the model (ONNX, "External Data").
    private func external(_ tensor: ONNXTensorProto, _ expected: Int) throws(ONNXError) -> Data {
        func fail(_ reason: String) -> ONNXError { .tensor(name: tensor.name, reason: reason) }
        var entries: [String: String] = [:]
        for entry in tensor.externalData { entries[entry.key] = entry.value }
        guard let folder else { throw fail("its data is in another file, which only a model on the disk can have") }
        guard let location = entries["location"], !location.isEmpty else { throw fail("its data file is not named") }
        let root = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
        let path = URL(fileURLWithPath: root).appendingPathComponent(location).resolvingSymlinksInPath().path
        guard !location.hasPrefix("/"), !location.split(separator: "/").contains(".."),
            path.hasPrefix(root == "/" ? root : root + "/")
        else {
            throw fail("its data file “\(location)” is outside the folder of the model")
        }
        guard let offset = Int(entries["offset"] ?? "0"), offset >= 0,
            let length = Int(entries["length"] ?? "\(expected)"), length == expected
        else {
            throw fail("the offset or length of its data is wrong, expected \(expected) bytes")
        }
        // Opening a pipe would wait for somebody to write.
        let kind = (try? FileManager.default.attributesOfItem(atPath: path))?[.type] as? FileAttributeType
        guard kind == .typeRegular, let handle = FileHandle(forReadingAtPath: path)
        else {
            throw fail("its data file “\(location)” cannot be read")
        }
        defer { try? handle.close() }
        guard let size = try? handle.seekToEnd(), offset <= Int(size), length <= Int(size) - offset,
            (try? handle.seek(toOffset: UInt64(offset))) != nil,
            let data = try? handle.read(upToCount: length) ?? Data(), data.count == length
        else {
            throw fail("its data file “\(location)” ends before byte \(offset) + \(length)")
        }
        return data
    }
}
