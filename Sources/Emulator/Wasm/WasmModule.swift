/// The structure of a module: what is declared and where its parts lie; function bodies are not looked into.
struct WasmModule {
    struct FunctionType: Equatable {
        var parameters: [UInt8]
        var results: [UInt8]
    }
    struct Import {
        var module: [UInt8]
        var name: [UInt8]
        var type: UInt32
        var offset: Int
    }
    struct Limits {
        var minimum: UInt64
        var maximum: UInt64?
        var wide: Bool
    }
    struct Table {
        /// Bytes of the element type and what precedes the limits.
        var element: Range<Int>
        var limits: Limits
        var whole: Range<Int>
    }
    struct Global {
        var type: UInt8
        var mutable: Bool
        /// The constant expression with its `end`.
        var initial: Range<Int>
        var whole: Range<Int>
    }
    struct Export {
        var name: [UInt8]
        var kind: UInt8
        var index: UInt32
        var offset: Int
    }
    struct DataSegment {
        /// nil for a passive segment.
        var address: UInt64?
        var content: Range<Int>
        var offset: Int
    }
    struct CustomSection {
        var name: [UInt8]
        var content: Range<Int>
    }

    var types: [FunctionType] = []
    var typeRange = 0..<0
    var imports: [Import] = []
    var functions: [UInt32] = []
    var tables: [Table] = []
    var memory: Limits?
    var globals: [Global] = []
    var exports: [Export] = []
    var start: UInt32?
    var elements: Range<Int>?
    var bodies: [Range<Int>] = []
    var codeBytes = 0
    var dataCount: UInt32?
    var data: [DataSegment] = []
    var customs: [CustomSection] = []

    var isWide: Bool { memory?.wide ?? false }

    /// Type of a function by its index, imports first.
    func type(ofFunction index: UInt32) -> FunctionType? {
        let typeIndex: UInt32
        if index < UInt32(imports.count) {
            typeIndex = imports[Int(index)].type
        } else {
            guard Int(index) - imports.count < functions.count else { return nil }
            typeIndex = functions[Int(index) - imports.count]
        }
        return typeIndex < UInt32(types.count) ? types[Int(typeIndex)] : nil
    }

    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(WasmError) {
        var reader = WasmReader(bytes, 0..<bytes.count)
        guard bytes.count >= 8, bytes[0] == 0, bytes[1] == 0x61, bytes[2] == 0x73, bytes[3] == 0x6d else {
            throw WasmError("not a Wasm module: it does not start with 00 61 73 6d", at: 0)
        }
        guard bytes[4] == 1, bytes[5] == 0, bytes[6] == 0, bytes[7] == 0 else {
            throw WasmError("Wasm version is not 1", at: 4)
        }
        reader.position = 8
        var last = 0
        while !reader.isAtEnd {
            let offset = reader.position
            let id = try reader.byte()
            let length = try reader.u32()
            let content = try reader.range(Int(length))
            var section = WasmReader(bytes, content)
            if id == 0 {
                let name = try section.name()
                customs.append(CustomSection(name: name, content: section.position..<section.end))
                continue
            }
            // Section 12 (data count) stands between elements and code.
            guard id <= 12 else { throw WasmError("unknown section \(id)", at: offset) }
            let order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10][Int(id)]
            guard order > last else { throw WasmError("section \(id) is out of order", at: offset) }
            last = order
            try read(id, &section, content)
            guard section.isAtEnd || id == 9 else {
                throw WasmError("section \(id) has bytes left over", at: section.position)
            }
        }
        guard functions.count == bodies.count else {
            throw WasmError("\(functions.count) functions but \(bodies.count) bodies", at: bytes.count)
        }
    }

    private mutating func read(
        _ id: UInt8, _ reader: inout WasmReader, _ content: Range<Int>
    ) throws(WasmError) {
        switch id {
        case 1:
            for _ in 0..<(try reader.u32()) { types.append(try Self.functionType(&reader)) }
            typeRange = content
        case 2: for _ in 0..<(try reader.u32()) { try readImport(&reader) }
        case 3: for _ in 0..<(try reader.u32()) { functions.append(try reader.u32()) }
        case 4: for _ in 0..<(try reader.u32()) { tables.append(try Self.table(&reader)) }
        case 5:
            for index in 0..<(try reader.u32()) {
                guard index == 0, memory == nil else { throw WasmError("more than one memory", at: reader.position) }
                memory = try Self.limits(&reader)
            }
        case 6:
            for _ in 0..<(try reader.u32()) {
                let start = reader.position
                let type = try reader.byte()
                if type == 0x63 || type == 0x64 { try reader.skipInteger() }
                let mutable = try reader.byte() == 1
                let initial = reader.position
                _ = try reader.constant()
                globals.append(
                    Global(
                        type: type, mutable: mutable, initial: initial..<reader.position,
                        whole: start..<reader.position))
            }
        case 7:
            for _ in 0..<(try reader.u32()) {
                let offset = reader.position
                let name = try reader.name()
                let kind = try reader.byte()
                exports.append(Export(name: name, kind: kind, index: try reader.u32(), offset: offset))
            }
        case 8: start = try reader.u32()
        case 9: elements = content
        case 10:
            codeBytes = content.count
            for _ in 0..<(try reader.u32()) { bodies.append(try reader.range(Int(try reader.u32()))) }
        case 11: for _ in 0..<(try reader.u32()) { data.append(try Self.segment(&reader)) }
        default: dataCount = try reader.u32()
        }
    }

    private static func functionType(_ reader: inout WasmReader) throws(WasmError) -> FunctionType {
        guard try reader.byte() == 0x60 else {
            throw WasmError("only function types are supported", at: reader.position - 1)
        }
        return FunctionType(parameters: try reader.name(), results: try reader.name())
    }

    private mutating func readImport(_ reader: inout WasmReader) throws(WasmError) {
        let offset = reader.position
        let module = try reader.name()
        let name = try reader.name()
        let kind = try reader.byte()
        // A memory or table imported from `env` is a declared one by another name: the canister's own.
        if module == Array("env".utf8), kind == 1 {
            tables.append(try Self.table(&reader))
            return
        }
        if module == Array("env".utf8), kind == 2 {
            guard memory == nil else { throw WasmError("more than one memory", at: offset) }
            memory = try Self.limits(&reader)
            return
        }
        guard kind == 0 else {
            throw WasmError("only functions of ic0, and a memory and a table of env, can be imported", at: offset)
        }
        imports.append(Import(module: module, name: name, type: try reader.u32(), offset: offset))
    }

    private static func table(_ reader: inout WasmReader) throws(WasmError) -> Table {
        let start = reader.position
        let type = try reader.byte()
        guard type != 0x40 else { throw WasmError("table initialisers are not supported", at: start) }
        if type == 0x63 || type == 0x64 { try reader.skipInteger() }
        let element = start..<reader.position
        let limits = try Self.limits(&reader)
        return Table(element: element, limits: limits, whole: start..<reader.position)
    }

    private static func limits(_ reader: inout WasmReader) throws(WasmError) -> Limits {
        let flags = try reader.byte()
        guard flags & 0xfa == 0 else { throw WasmError("shared or paged memories are not supported", at: reader.position - 1) }
        let minimum = try reader.u64()
        let maximum: UInt64? = flags & 1 == 1 ? try reader.u64() : nil
        return Limits(minimum: minimum, maximum: maximum, wide: flags & 4 != 0)
    }

    private static func segment(_ reader: inout WasmReader) throws(WasmError) -> DataSegment {
        let offset = reader.position
        let flags = try reader.u32()
        guard flags <= 2 else { throw WasmError("unknown kind of data segment", at: offset) }
        if flags == 2 { _ = try reader.u32() }
        var address: UInt64?
        if flags != 1 {
            guard let constant = try reader.constant() else {
                throw WasmError("the offset of a data segment must be one plain constant", at: offset)
            }
            address = constant
        }
        let length = try reader.u32()
        return DataSegment(address: address, content: try reader.range(Int(length)), offset: offset)
    }
}
