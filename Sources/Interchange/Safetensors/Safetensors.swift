import Foundation

/// Named float tensors in one file: a length, a JSON table, and raw little-endian numbers.
///
/// The layout is that of https://github.com/huggingface/safetensors#format. F32 is written; F32, F16, BF16 and F64 are
/// read.
public struct Safetensors: Equatable, Sendable {
    public struct Tensor: Equatable, Sendable {
        public var shape: [Int]
        public var values: [Float]

        public init(shape: [Int], values: [Float]) {
            self.shape = shape
            self.values = values
        }
    }

    public var tensors: [String: Tensor]
    /// Free text entries.
    public var metadata: [String: String]

    public init(tensors: [String: Tensor], metadata: [String: String] = [:]) {
        self.tensors = tensors
        self.metadata = metadata
    }

    private struct Entry: Codable {
        var dtype: String
        var shape: [Int]
        var data_offsets: [Int]
    }

    /// The largest table that is read; as in the reference implementation.
    static let headerLimit = 100_000_000

    /// The bytes of the file, tensors sorted by name, so that equal tensors give equal bytes.
    public func encoded() throws(SafetensorsError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var entries: [String: Header] = [:]
        if !metadata.isEmpty { entries["__metadata__"] = .metadata(metadata) }
        let sorted = tensors.sorted { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }
        var end = 0
        for (name, tensor) in sorted {
            guard name != "__metadata__", elementCount(tensor.shape) == tensor.values.count else {
                throw .tensor(name, "its shape \(tensor.shape) does not fit \(tensor.values.count) numbers")
            }
            let start = end
            end += 4 * tensor.values.count
            entries[name] = .tensor(Entry(dtype: "F32", shape: tensor.shape, data_offsets: [start, end]))
        }
        guard var json = try? [UInt8](encoder.encode(entries)) else { throw .header("it cannot be written as JSON") }
        // Spaces up to a multiple of 8 keep the numbers aligned.
        json += [UInt8](repeating: 0x20, count: (8 - json.count % 8) % 8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 + json.count + end)
        withUnsafeBytes(of: UInt64(json.count).littleEndian) { bytes.append(contentsOf: $0) }
        bytes += json
        for (_, tensor) in sorted {
            for value in tensor.values {
                withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
            }
        }
        return bytes
    }

    /// Reads the bytes of a file; every offset is checked before a number is believed.
    public init(_ bytes: [UInt8]) throws(SafetensorsError) {
        guard bytes.count >= 8 else { throw .header("the file ends before the length of its table") }
        let length = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= Self.headerLimit, length <= bytes.count - 8 else {
            throw .header("a table of \(length) bytes does not fit a file of \(bytes.count)")
        }
        let start = 8 + Int(length)
        guard let entries = try? JSONDecoder().decode([String: Header].self, from: Data(bytes[8..<start])) else {
            throw .header("its table is not the JSON of tensors")
        }
        tensors = [:]
        metadata = [:]
        var covered: [(Int, Int)] = []
        for (name, header) in entries {
            switch header {
            case .metadata(let texts) where name == "__metadata__": metadata = texts
            case .metadata: throw .tensor(name, "it has no type, shape or offsets")
            case .tensor(let entry):
                tensors[name] = try Self.tensor(name, entry, bytes[start...])
                covered.append((entry.data_offsets[0], entry.data_offsets[1]))
            }
        }
        // The specification allows neither holes nor overlaps.
        var end = 0
        for (from, to) in covered.sorted(by: { ($0.0, $0.1) < ($1.0, $1.1) }) {
            guard from == end else { throw .header("the tensors leave a hole or overlap at byte \(min(from, end))") }
            end = to
        }
        guard end == bytes.count - start else { throw .header("\(bytes.count - start - end) bytes follow the last tensor") }
    }

    private static func tensor(
        _ name: String, _ entry: Entry, _ data: ArraySlice<UInt8>
    ) throws(SafetensorsError) -> Tensor {
        let size: Int
        switch entry.dtype {
        case "F32": size = 4
        case "F64": size = 8
        case "F16", "BF16": size = 2
        default: throw .tensor(name, "numbers of type \(entry.dtype) are not read, only F32, F64, F16 and BF16")
        }
        guard entry.data_offsets.count == 2, let count = elementCount(entry.shape),
            case let (from, to) = (entry.data_offsets[0], entry.data_offsets[1]), from >= 0, from <= to,
            to <= data.count, count <= data.count, to - from == count * size
        else {
            throw .tensor(
                name, "shape \(entry.shape) and bytes \(entry.data_offsets) do not fit \(data.count) bytes of numbers")
        }
        let part = data[(data.startIndex + from)..<(data.startIndex + to)]
        let values: [Float] = part.withUnsafeBytes { raw in
            (0..<count).map { index in
                switch entry.dtype {
                case "F32":
                    Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
                case "F64":
                    Float(
                        Double(
                            bitPattern: UInt64(
                                littleEndian: raw.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))))
                case "BF16":
                    Float(
                        bitPattern: UInt32(
                            UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))) << 16)
                default:
                    HalfPrecision.float(
                        UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                }
            }
        }
        return Tensor(shape: entry.shape, values: values)
    }

    /// One value of the table.
    private enum Header: Codable {
        case tensor(Entry)
        case metadata([String: String])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let entry = try? container.decode(Entry.self) {
                self = .tensor(entry)
            } else {
                self = .metadata(try container.decode([String: String].self))
            }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .tensor(let entry): try container.encode(entry)
            case .metadata(let texts): try container.encode(texts)
            }
        }
    }
}

/// Why a safetensors file cannot be used, in one sentence.
public enum SafetensorsError: Error, Equatable, Sendable, CustomStringConvertible {
    case header(String)
    case tensor(String, String)

    public var description: String {
        switch self {
        case .header(let reason): "this is not a usable safetensors file: \(reason)"
        case .tensor(let name, let reason): "tensor “\(name)” of the safetensors file: \(reason)"
        }
    }
}
