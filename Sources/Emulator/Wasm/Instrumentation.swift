/// The replica's instrumentation as a rewriting of bytes: scan each function once, then copy it with insertions.
///
/// This part writes the sections; `CodeInstrumentation` rewrites the functions.
struct Instrumentation {
    /// Functions of module `__` put before all other imports.
    enum HostFunction: UInt32, CaseIterable {
        case outOfInstructions = 0
        case tryGrowMemory = 1

        var name: String {
            switch self {
            case .outOfInstructions: "out_of_instructions"
            case .tryGrowMemory: "try_grow_wasm_memory"
            }
        }

        /// How many there are: every other function's index grows by it.
        static let count = UInt32(allCases.count)
    }

    static let counterName = "canister counter_instructions"
    static let startName = "canister_start"
    static let tableName = "table"
    static func globalName(_ index: Int) -> String { "__persistent_mutable_global_\(index)" }
    static let hostModule = "__"

    private let module: WasmModule
    private let source: UnsafeBufferPointer<UInt8>
    private let limits: SubnetConfiguration.Limits
    private let shift = HostFunction.count
    private let firstType: UInt32
    private let addressType: UInt8

    /// Instruments a module that was parsed and that the engine accepted; checks the limits on functions on the way.
    static func apply(
        _ module: WasmModule, _ source: UnsafeBufferPointer<UInt8>, limits: SubnetConfiguration.Limits
    ) throws(WasmError) -> InstrumentedModule {
        var code = CodeInstrumentation(module, source, limits)
        defer { code.deallocate() }
        try code.rewriteFunctions()
        return try Instrumentation(module, source, limits).module(with: code)
    }

    private init(_ module: WasmModule, _ source: UnsafeBufferPointer<UInt8>, _ limits: SubnetConfiguration.Limits) {
        self.module = module
        self.source = source
        self.limits = limits
        firstType = UInt32(module.types.count)
        addressType = module.isWide ? 0x7e : 0x7f
    }

    private func module(with code: borrowing CodeInstrumentation) throws(WasmError) -> InstrumentedModule {
        var out = WasmWriter()
        out.bytes.reserveCapacity(source.count + source.count / 2)
        out.bytes.append(contentsOf: [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
        out.section(1, typeSection())
        out.section(2, importSection())
        var functions = WasmWriter()
        functions.u32(UInt32(module.functions.count + 2))
        for type in module.functions { functions.u32(type) }
        functions.u32(firstType + 2)
        functions.u32(firstType + 3)
        out.section(3, functions)
        if !module.tables.isEmpty {
            var tables = WasmWriter()
            tables.u32(UInt32(module.tables.count))
            for table in module.tables { tables.append(source, table.whole) }
            out.section(4, tables)
        }
        if let memory = module.memory { out.section(5, memorySection(memory)) }
        out.section(6, try globalSection(scratch: code.scratch))
        out.section(7, exportSection())
        if let elements = module.elements { out.section(9, try elementSection(elements)) }
        if let count = module.dataCount {
            var section = WasmWriter()
            section.u32(count)
            out.section(12, section)
        }
        var custom = WasmWriter()
        custom.name("metadata.code.branch_hint")
        custom.u32(code.hintedFunctions)
        custom.bytes.append(contentsOf: code.hints.bytes)
        out.section(0, custom)
        out.byte(10)
        out.u32(UInt32(code.code.count))
        out.bytes.append(contentsOf: code.code.bytes)
        if !module.data.isEmpty { out.section(11, dataSection()) }
        return InstrumentedModule(
            bytes: out.bytes,
            dataSegments: module.data.compactMap { segment in
                segment.address.map { (module.isWide ? $0 : UInt64(UInt32(truncatingIfNeeded: $0)), Array(source[segment.content])) }
            },
            mutableGlobals: module.globals.enumerated().filter(\.element.mutable).map { ($0.offset, $0.element.type) },
            hasStart: module.start != nil, hasTable: !module.tables.isEmpty, isWide: module.isWide,
            initialPages: module.memory?.minimum, operators: code.operators,
            imports: module.imports.map { String(decoding: $0.name, as: UTF8.self) }, isReusable: code.isReusable)
    }

    /// The module's types, then () → (), (address, address) → address, (i32) → i32, (i64) → i64.
    private func typeSection() -> WasmWriter {
        var section = WasmWriter()
        section.u32(UInt32(module.types.count + 4))
        for type in module.types {
            section.byte(0x60)
            section.u32(UInt32(type.parameters.count))
            section.bytes.append(contentsOf: type.parameters)
            section.u32(UInt32(type.results.count))
            section.bytes.append(contentsOf: type.results)
        }
        section.bytes.append(contentsOf: [0x60, 0, 0])
        section.bytes.append(contentsOf: [0x60, 2, addressType, addressType, 1, addressType])
        section.bytes.append(contentsOf: [0x60, 1, 0x7f, 1, 0x7f])
        section.bytes.append(contentsOf: [0x60, 1, 0x7e, 1, 0x7e])
        return section
    }

    private func importSection() -> WasmWriter {
        var section = WasmWriter()
        section.u32(UInt32(module.imports.count) + shift)
        for function in HostFunction.allCases {
            section.name(Self.hostModule)
            section.name(function.name)
            section.byte(0)
            section.u32(firstType + function.rawValue)
        }
        for entry in module.imports {
            section.u32(UInt32(entry.module.count))
            section.bytes.append(contentsOf: entry.module)
            section.u32(UInt32(entry.name.count))
            section.bytes.append(contentsOf: entry.name)
            section.byte(0)
            section.u32(entry.type)
        }
        return section
    }

    private func memorySection(_ memory: WasmModule.Limits) -> WasmWriter {
        var section = WasmWriter()
        let cap = (memory.wide ? limits.heap64Bytes : limits.heap32Bytes) >> 16
        section.u32(1)
        section.byte(memory.wide ? 5 : 1)
        section.u64(memory.minimum)
        section.u64(max(memory.minimum, min(memory.maximum ?? cap, cap)))
        return section
    }

    /// The module's globals, the counter, then the scratch globals in use.
    private func globalSection(scratch: UInt32) throws(WasmError) -> WasmWriter {
        var section = WasmWriter()
        section.u32(UInt32(module.globals.count) + 1 + scratch)
        for global in module.globals {
            section.append(source, global.whole.lowerBound..<global.initial.lowerBound)
            try constant(global.initial, into: &section)
        }
        section.bytes.append(contentsOf: [0x7e, 1, 0x42, 0, 0x0b])
        let types = CodeInstrumentation.scratchGlobals.flatMap { repeatElement($0.type, count: $0.count) }
        for type in types.prefix(Int(scratch)) {
            section.bytes.append(contentsOf: [type, 1])
            switch type {
            case 0x7f: section.bytes.append(contentsOf: [0x41, 0])
            case 0x7e: section.bytes.append(contentsOf: [0x42, 0])
            case 0x7d: section.bytes.append(contentsOf: [0x43] + [UInt8](repeating: 0, count: 4))
            case 0x7c: section.bytes.append(contentsOf: [0x44] + [UInt8](repeating: 0, count: 8))
            default: section.bytes.append(contentsOf: [0xfd, 12] + [UInt8](repeating: 0, count: 16))
            }
            section.byte(0x0b)
        }
        return section
    }

    /// Copies a constant expression with function indices shifted.
    private func constant(_ range: Range<Int>, into out: inout WasmWriter) throws(WasmError) {
        if source[range.lowerBound] == 0xd2 {
            var reader = WasmReader(source, range.lowerBound + 1..<range.upperBound)
            out.byte(0xd2)
            out.u32(try reader.u32() + shift)
            out.append(source, reader.position..<range.upperBound)
        } else {
            out.append(source, range)
        }
    }

    private func exportSection() -> WasmWriter {
        var entries = WasmWriter()
        var count: UInt32 = 0
        func add(_ name: String, _ kind: UInt8, _ index: UInt32) {
            entries.name(name)
            entries.byte(kind)
            entries.u32(index)
            count += 1
        }
        for export in module.exports where export.kind == 0 {
            let name = String(decoding: export.name, as: UTF8.self)
            if name.hasPrefix("canister_") { add(name, 0, export.index + shift) }
        }
        if let start = module.start { add(Self.startName, 0, start + shift) }
        if !module.tables.isEmpty { add(Self.tableName, 1, 0) }
        for (index, global) in module.globals.enumerated() where global.mutable {
            add(Self.globalName(index), 3, UInt32(index))
        }
        add(Self.counterName, 3, UInt32(module.globals.count))
        var section = WasmWriter()
        section.u32(count)
        section.bytes.append(contentsOf: entries.bytes)
        return section
    }

    private func elementSection(_ content: Range<Int>) throws(WasmError) -> WasmWriter {
        var out = WasmWriter()
        var reader = WasmReader(source, content)
        let count = try reader.u32()
        out.u32(count)
        for _ in 0..<count {
            let start = reader.position
            let flags = try reader.u32()
            guard flags <= 7 else { throw WasmError("unknown kind of element segment", at: start) }
            if flags & 1 == 0 {
                if flags & 2 != 0 { _ = try reader.u32() }
                _ = try reader.constant()
            }
            if flags & 3 != 0 {
                let type = try reader.byte()
                if type == 0x63 || type == 0x64 { try reader.skipInteger() }
            }
            out.append(source, start..<reader.position)
            let items = try reader.u32()
            out.u32(items)
            for _ in 0..<items {
                if flags & 4 == 0 {
                    out.u32(try reader.u32() + shift)
                } else {
                    let start = reader.position
                    _ = try reader.constant()
                    try constant(start..<reader.position, into: &out)
                }
            }
        }
        return out
    }

    private func dataSection() -> WasmWriter {
        var section = WasmWriter()
        section.u32(UInt32(module.data.count))
        for segment in module.data {
            section.byte(1)
            if segment.address == nil {
                section.u32(UInt32(segment.content.count))
                section.append(source, segment.content)
            } else {
                section.u32(0)
            }
        }
        return section
    }
}
