/// A module made ready for metered execution.
struct InstrumentedModule: Sendable {
    /// The rewritten module: one counter global, charge code, host imports first, no start section, no active data.
    var bytes: [UInt8]
    /// Active data segments in order: applied once by the host when the module is installed.
    var dataSegments: [(address: UInt64, content: [UInt8])]
    /// Types of the exported mutable globals `__persistent_mutable_global_N`, with N.
    var mutableGlobals: [(index: Int, type: UInt8)]
    var hasStart: Bool
    var hasTable: Bool
    var isWide: Bool
    /// Initial size of the memory in 64-KiB pages; nil without a memory.
    var initialPages: UInt64?
    /// Operators of all local functions, the measure of the compile charge.
    var operators: Int
    /// Names of the ic0 functions imported.
    var imports: [String]
    /// Whether an instance can serve several queries: nothing but memory and globals changes in it.
    var isReusable: Bool
}

/// The replica's instrumentation as a rewriting of bytes: scan each function once, then copy it with insertions.
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
    }

    static let counterName = "canister counter_instructions"
    static let startName = "canister_start"
    static let tableName = "table"
    static func globalName(_ index: Int) -> String { "__persistent_mutable_global_\(index)" }
    static let hostModule = "__"

    private let module: WasmModule
    private let source: UnsafeBufferPointer<UInt8>
    private let limits: SubnetConfiguration.Limits
    private let shift = UInt32(HostFunction.allCases.count)
    private let counter: UInt32
    private let firstType: UInt32
    private let firstHelper: UInt32
    private let addressType: UInt8
    private var operators = 0
    private var isReusable = true
    private var body = WasmWriter()

    /// Instruments a module that was parsed and that the engine accepted; checks the limits on functions on the way.
    static func apply(
        _ module: WasmModule, _ source: UnsafeBufferPointer<UInt8>, limits: SubnetConfiguration.Limits
    ) throws(WasmError) -> InstrumentedModule {
        var pass = Instrumentation(module, source, limits)
        return try pass.run()
    }

    private init(_ module: WasmModule, _ source: UnsafeBufferPointer<UInt8>, _ limits: SubnetConfiguration.Limits) {
        self.module = module
        self.source = source
        self.limits = limits
        counter = UInt32(module.globals.count)
        firstType = UInt32(module.types.count)
        firstHelper = UInt32(module.imports.count + module.functions.count) + shift
        addressType = module.isWide ? 0x7e : 0x7f
    }

    private mutating func run() throws(WasmError) -> InstrumentedModule {
        let code = try codeSection()
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
        out.section(6, try globalSection())
        out.section(7, exportSection())
        if let elements = module.elements { out.section(9, try elementSection(elements)) }
        if let count = module.dataCount {
            var section = WasmWriter()
            section.u32(count)
            out.section(12, section)
        }
        out.section(10, code)
        if !module.data.isEmpty { out.section(11, dataSection()) }
        return InstrumentedModule(
            bytes: out.bytes,
            dataSegments: module.data.compactMap { segment in
                segment.address.map { (module.isWide ? $0 : UInt64(UInt32(truncatingIfNeeded: $0)), Array(source[segment.content])) }
            },
            mutableGlobals: module.globals.enumerated().filter(\.element.mutable).map { ($0.offset, $0.element.type) },
            hasStart: module.start != nil, hasTable: !module.tables.isEmpty, isWide: module.isWide,
            initialPages: module.memory?.minimum, operators: operators,
            imports: module.imports.map { String(decoding: $0.name, as: UTF8.self) }, isReusable: isReusable)
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

    private func globalSection() throws(WasmError) -> WasmWriter {
        var section = WasmWriter()
        section.u32(counter + 1)
        for global in module.globals {
            section.append(source, global.whole.lowerBound..<global.initial.lowerBound)
            try constant(global.initial, into: &section)
        }
        section.bytes.append(contentsOf: [0x7e, 1, 0x42, 0, 0x0b])
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
        add(Self.counterName, 3, counter)
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

    private mutating func codeSection() throws(WasmError) -> WasmWriter {
        var section = WasmWriter()
        section.bytes.reserveCapacity(module.codeBytes * 2)
        section.u32(UInt32(module.bodies.count + 2))
        var scan = FunctionScan(module)
        for (index, range) in module.bodies.enumerated() {
            try scan.scan(source, range)
            guard scan.operators <= limits.functionOperators else {
                throw WasmError("function \(index) has more than \(limits.functionOperators) operators", at: range.lowerBound)
            }
            guard scan.complexity <= 1_000_000 else {
                throw WasmError("function \(index) is too complex: \(scan.complexity), at most 1000000", at: range.lowerBound)
            }
            operators += scan.operators
            let type = module.functions[index]
            let parameters = type < UInt32(module.types.count) ? module.types[Int(type)].parameters.count : 0
            rewrite(range, scan, parameters: UInt64(parameters))
            section.u32(UInt32(body.bytes.count))
            section.bytes.append(contentsOf: body.bytes)
        }
        isReusable = scan.mutatesTable == nil && !scan.dropsSegments
        if limits.refuseTableMutation, let position = scan.mutatesTable {
            throw WasmError("instructions that change tables are not allowed", at: position)
        }
        appendHelper(wide: false, to: &section)
        appendHelper(wide: true, to: &section)
        return section
    }

    /// Copies one function into `body`: charges at points, dynamic charges before bulk operators, shifted indices.
    private mutating func rewrite(_ range: Range<Int>, _ scan: FunctionScan, parameters: UInt64) {
        body.bytes.removeAll(keepingCapacity: true)
        let spare = UInt32(truncatingIfNeeded: parameters + scan.localCount)
        body.u32(scan.localGroups + (scan.growsMemory ? 1 : 0))
        body.append(source, scan.locals)
        if scan.growsMemory {
            body.u32(1)
            body.byte(addressType)
        }
        var copied = scan.locals.upperBound
        var point = scan.points.startIndex
        func flush(_ pass: inout Instrumentation, upTo position: Int) {
            pass.body.append(pass.source, copied..<position)
            copied = position
        }
        for edit in scan.edits {
            while point < scan.points.endIndex, scan.points[point].position < edit.position {
                flush(&self, upTo: scan.points[point].position)
                charge(scan.points[point])
                point += 1
            }
            flush(&self, upTo: edit.position)
            switch edit.kind {
            case .dynamicCharge(let wide):
                body.byte(0x10)
                body.u32(firstHelper + (wide ? 1 : 0))
            case .functionIndex(let index):
                body.u32(index + shift)
            case .memoryGrow:
                if point < scan.points.endIndex, scan.points[point].position == edit.position {
                    charge(scan.points[point])
                    point += 1
                }
                body.byte(0x22)
                body.u32(spare)
                body.append(source, edit.position..<edit.end)
                body.byte(0x20)
                body.u32(spare)
                body.byte(0x10)
                body.u32(HostFunction.tryGrowMemory.rawValue)
            }
            copied = edit.end
        }
        while point < scan.points.endIndex {
            flush(&self, upTo: scan.points[point].position)
            charge(scan.points[point])
            point += 1
        }
        flush(&self, upTo: range.upperBound)
    }

    @inline(__always)
    private mutating func charge(_ point: FunctionScan.Point) {
        body.byte(0x23)
        body.u32(counter)
        body.byte(0x42)
        body.s64(Int64(point.cost))
        body.byte(0x7d)
        body.byte(0x24)
        body.u32(counter)
        if point.reentrant { appendTest(to: &body) }
    }

    /// counter < 0 → out_of_instructions
    private func appendTest(to out: inout WasmWriter) {
        out.byte(0x23)
        out.u32(counter)
        out.bytes.append(contentsOf: [0x42, 0, 0x53, 0x04, 0x40, 0x10])
        out.u32(HostFunction.outOfInstructions.rawValue)
        out.byte(0x0b)
    }

    /// (size) → size: counter −= size, or the lowest i64 when that underflows; then the test.
    private func appendHelper(wide: Bool, to section: inout WasmWriter) {
        var code = WasmWriter()
        code.bytes.append(contentsOf: wide ? [0] : [1, 1, 0x7e])
        let size: UInt32 = wide ? 0 : 1
        if !wide { code.bytes.append(contentsOf: [0x20, 0, 0xad, 0x21, 1]) }
        // select(counter − size, lowest, size ≥ 0 and counter − size ≤ counter)
        code.byte(0x23)
        code.u32(counter)
        code.byte(0x20)
        code.u32(size)
        code.byte(0x7d)
        code.byte(0x42)
        code.s64(Int64.min)
        code.byte(0x20)
        code.u32(size)
        code.bytes.append(contentsOf: [0x42, 0, 0x59])  // i64.ge_s
        code.byte(0x23)
        code.u32(counter)
        code.byte(0x20)
        code.u32(size)
        code.byte(0x7d)
        code.byte(0x23)
        code.u32(counter)
        code.bytes.append(contentsOf: [0x57, 0x71, 0x1b])  // i64.le_s, i32.and, select
        code.byte(0x24)
        code.u32(counter)
        appendTest(to: &code)
        code.bytes.append(contentsOf: [0x20, 0, 0x0b])
        section.u32(UInt32(code.bytes.count))
        section.bytes.append(contentsOf: code.bytes)
    }
}
