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
///
/// Where the counter is tested, the engine is told that it will hardly be negative, and in loops the values that the
/// loop needs go through globals of the pass around the call of the host: the engine then keeps them in registers,
/// which it does not with values that live across a call. The globals are used nowhere else and mean nothing later.
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
    private var code: CodeWriter
    /// Places of the tests in the function under work, which the engine is told to expect to fail.
    private var tests: [UInt32] = []
    /// Where the function under work begins in `code`.
    private var functionStart = 0
    /// Locals kept at the test under work, with the scratch global of each.
    private var kept: [(local: UInt32, global: UInt32)] = []
    private var hints = WasmWriter()
    private var hintedFunctions: UInt32 = 0
    /// How many of the scratch globals are used.
    private var scratch: UInt32 = 0

    /// Types and numbers of the scratch globals, in order; `keepLive` knows the same.
    private static let scratchGlobals: [(type: UInt8, count: Int)] = [
        (0x7f, 24), (0x7b, 16), (0x7e, 16), (0x7d, 8), (0x7c, 8),
    ]

    /// Instruments a module that was parsed and that the engine accepted; checks the limits on functions on the way.
    static func apply(
        _ module: WasmModule, _ source: UnsafeBufferPointer<UInt8>, limits: SubnetConfiguration.Limits
    ) throws(WasmError) -> InstrumentedModule {
        var pass = Instrumentation(module, source, limits)
        defer { pass.code.deallocate() }
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
        code = CodeWriter(capacity: module.codeBytes * 2)
    }

    private mutating func run() throws(WasmError) -> InstrumentedModule {
        try codeSection()
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
        var custom = WasmWriter()
        custom.name("metadata.code.branch_hint")
        custom.u32(hintedFunctions)
        custom.bytes.append(contentsOf: hints.bytes)
        out.section(0, custom)
        out.byte(10)
        out.u32(UInt32(code.count))
        out.bytes.append(contentsOf: code.bytes)
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
        section.u32(counter + 1 + scratch)
        for global in module.globals {
            section.append(source, global.whole.lowerBound..<global.initial.lowerBound)
            try constant(global.initial, into: &section)
        }
        section.bytes.append(contentsOf: [0x7e, 1, 0x42, 0, 0x0b])
        let types = Self.scratchGlobals.flatMap { repeatElement($0.type, count: $0.count) }
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

    private mutating func codeSection() throws(WasmError) {
        code.reserve(5)
        code.u32(UInt32(module.bodies.count + 2))
        var scan = FunctionScan(module)
        for (index, range) in module.bodies.enumerated() {
            let type = Int(module.functions[index])
            let parameters = type < module.types.count ? module.types[type].parameters : []
            try scan.scan(source, range, parameters: parameters)
            guard scan.operators <= limits.functionOperators else {
                throw WasmError("function \(index) has more than \(limits.functionOperators) operators", at: range.lowerBound)
            }
            guard scan.complexity <= 1_000_000 else {
                throw WasmError("function \(index) is too complex: \(scan.complexity), at most 1000000", at: range.lowerBound)
            }
            operators += scan.operators
            let size = code.sizePlace()
            functionStart = code.count
            rewrite(range, scan, parameters: UInt64(parameters.count))
            code.fillSize(at: size, code.count - functionStart)
            addHints(function: UInt32(module.imports.count + index) + shift)
        }
        isReusable = scan.mutatesTable == nil && !scan.dropsSegments
        if limits.refuseTableMutation, let position = scan.mutatesTable {
            throw WasmError("instructions that change tables are not allowed", at: position)
        }
        appendHelper(wide: false)
        appendHelper(wide: true)
    }

    /// Copies one function: charges at points, dynamic charges before bulk operators, shifted indices.
    private mutating func rewrite(_ range: Range<Int>, _ scan: borrowing FunctionScan, parameters: UInt64) {
        tests.removeAll(keepingCapacity: true)
        let spare = UInt32(truncatingIfNeeded: parameters + scan.localCount)
        code.reserve(5)
        code.u32(scan.localGroups + (scan.growsMemory ? 1 : 0))
        code.append(source, scan.locals, spare: 2)
        if scan.growsMemory {
            code.byte(1)
            code.byte(addressType)
        }
        var copied = scan.locals.upperBound
        var point = 0
        let points = scan.points.count
        for edit in scan.edits {
            while point < points, scan.points[point].position < edit.position {
                copy(&copied, upTo: scan.points[point].position)
                charge(scan.points[point], scan)
                point += 1
            }
            copy(&copied, upTo: edit.position)
            switch edit.kind {
            case .dynamicCharge(let wide):
                code.byte(0x10)
                code.u32(firstHelper + (wide ? 1 : 0))
            case .functionIndex(let index):
                code.u32(index + shift)
            case .memoryGrow:
                if point < points, scan.points[point].position == edit.position {
                    charge(scan.points[point], scan)
                    point += 1
                }
                code.reserve(32)
                code.byte(0x22)
                code.u32(spare)
                code.append(source, edit.position..<edit.end, spare: 12)
                code.byte(0x20)
                code.u32(spare)
                code.byte(0x10)
                code.u32(HostFunction.tryGrowMemory.rawValue)
            }
            copied = edit.end
        }
        while point < points {
            copy(&copied, upTo: scan.points[point].position)
            charge(scan.points[point], scan)
            point += 1
        }
        copy(&copied, upTo: range.upperBound)
    }

    /// Copies the source up to a position, with room for the code of one point or edit behind.
    @inline(__always)
    private mutating func copy(_ copied: inout Int, upTo position: Int) {
        code.append(source, copied..<position, spare: 64)
        copied = position
    }

    @inline(__always)
    private mutating func charge(_ point: FunctionScan.Point, _ scan: borrowing FunctionScan) {
        code.byte(0x23)
        code.u32(counter)
        code.byte(0x42)
        code.positive(point.cost)
        code.byte(0x7d)
        code.byte(0x24)
        code.u32(counter)
        if point.reentrant { test(point, scan) }
    }

    /// counter < 0 → out_of_instructions
    private mutating func test(_ point: FunctionScan.Point, _ scan: borrowing FunctionScan) {
        code.byte(0x23)
        code.u32(counter)
        code.byte(0x42)
        code.byte(0)
        code.byte(0x53)
        tests.append(UInt32(truncatingIfNeeded: code.count - functionStart))
        code.byte(0x04)
        code.byte(0x40)
        kept.removeAll(keepingCapacity: true)
        if point.live >= 0 { keepLive(from: point.live, scan) }
        code.reserve(24 * kept.count + 16)
        for (local, global) in kept {
            code.byte(0x20)
            code.u32(local)
            code.byte(0x24)
            code.u32(global)
        }
        code.byte(0x10)
        code.u32(HostFunction.outOfInstructions.rawValue)
        for (local, global) in kept {
            code.byte(0x23)
            code.u32(global)
            code.byte(0x21)
            code.u32(local)
        }
        code.byte(0x0b)
    }

    /// Chooses a scratch global for each local of a list, as long as there are any.
    private mutating func keepLive(from first: Int32, _ scan: borrowing FunctionScan) {
        var (i32, v128, i64, f32, f64) = (UInt32(0), UInt32(0), UInt32(0), UInt32(0), UInt32(0))
        func take(_ used: inout UInt32, _ range: Range<UInt32>) -> UInt32? {
            guard range.lowerBound + used < range.upperBound else { return nil }
            defer { used += 1 }
            return range.lowerBound + used
        }
        var entry = first
        while entry >= 0 {
            let live = scan.liveLocals[Int(entry)]
            entry = live.next
            let slot: UInt32? =
                switch scan.type(ofLocal: live.local) {
                case 0x7f: take(&i32, 0..<24)
                case 0x7b: take(&v128, 24..<40)
                case 0x7e: take(&i64, 40..<56)
                case 0x7d: take(&f32, 56..<64)
                case 0x7c: take(&f64, 64..<72)
                default: nil
                }
            guard let slot else { continue }
            scratch = max(scratch, slot + 1)
            kept.append((live.local, counter + 1 + slot))
        }
    }

    /// Notes the tests of the function just rewritten, as the branch hinting proposal wants them.
    private mutating func addHints(function: UInt32) {
        guard !tests.isEmpty else { return }
        hintedFunctions += 1
        hints.u32(function)
        hints.u32(UInt32(tests.count))
        for place in tests {
            hints.u32(place)
            hints.byte(1)
            hints.byte(0)
        }
    }

    /// (size) → size: counter −= size, or the lowest i64 when that underflows; then the test.
    private mutating func appendHelper(wide: Bool) {
        let size: UInt8 = wide ? 0 : 1
        var counter = WasmWriter()
        counter.byte(0x23)
        counter.u32(self.counter)
        var helper = WasmWriter()
        helper.bytes = wide ? [0] : [1, 1, 0x7e, 0x20, 0, 0xad, 0x21, 1]
        // select(counter − size, lowest, size ≥ 0 and counter − size ≤ counter)
        let difference = counter.bytes + [0x20, size, 0x7d]
        helper.bytes += difference + [0x42]
        helper.s64(Int64.min)
        helper.bytes += [0x20, size, 0x42, 0, 0x59]  // i64.ge_s
        helper.bytes += difference + counter.bytes + [0x57, 0x71, 0x1b]  // i64.le_s, i32.and, select
        helper.byte(0x24)
        helper.u32(self.counter)
        helper.bytes += counter.bytes + [0x42, 0, 0x53, 0x04, 0x40, 0x10]
        helper.u32(HostFunction.outOfInstructions.rawValue)
        helper.bytes += [0x0b, 0x20, 0, 0x0b]
        let place = code.sizePlace()
        code.fillSize(at: place, helper.bytes.count)
        helper.bytes.withUnsafeBufferPointer { code.append($0, 0..<$0.count, spare: 0) }
    }
}
