/// Rewrites the functions of a module: charges, tests of the counter, shifted indices.
///
/// Where the counter is tested, the engine is told that it will hardly be negative, and in loops the values that the
/// loop needs go through globals of the pass around the call of the host: the engine then keeps them in registers,
/// which it does not with values that live across a call. The globals are used nowhere else and mean nothing later.
struct CodeInstrumentation {
    /// The content of the code section.
    private(set) var code: CodeWriter
    /// Operators of all functions.
    private(set) var operators = 0
    private(set) var isReusable = true
    /// Entries of the branch hint section, and how many there are.
    private(set) var hints = WasmWriter()
    private(set) var hintedFunctions: UInt32 = 0
    /// How many of the scratch globals are used.
    private(set) var scratch: UInt32 = 0

    private let module: WasmModule
    private let source: UnsafeBufferPointer<UInt8>
    private let limits: SubnetConfiguration.Limits
    private let shift = Instrumentation.HostFunction.count
    /// Index of the counter among the globals.
    private let counter: UInt32
    private let firstHelper: UInt32
    private let addressType: UInt8
    /// Places of the tests in the function under work, which the engine is told to expect to fail.
    private var tests: [UInt32] = []
    /// Where the function under work begins in `code`.
    private var functionStart = 0
    /// Locals kept at the test under work, with the scratch global of each.
    private var kept: [(local: UInt32, global: UInt32)] = []

    /// Types and numbers of the scratch globals, in order; `keepLive` knows the same.
    static let scratchGlobals: [(type: UInt8, count: Int)] = [
        (0x7f, 24), (0x7b, 16), (0x7e, 16), (0x7d, 8), (0x7c, 8),
    ]

    init(_ module: WasmModule, _ source: UnsafeBufferPointer<UInt8>, _ limits: SubnetConfiguration.Limits) {
        self.module = module
        self.source = source
        self.limits = limits
        counter = UInt32(module.globals.count)
        firstHelper = UInt32(module.imports.count + module.functions.count) + shift
        addressType = module.isWide ? 0x7e : 0x7f
        code = CodeWriter(capacity: module.codeBytes * 2)
    }

    func deallocate() { code.deallocate() }

    /// Fills `code`; fails where a function exceeds a limit.
    mutating func rewriteFunctions() throws(WasmError) {
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
                code.u32(Instrumentation.HostFunction.tryGrowMemory.rawValue)
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
        code.u32(Instrumentation.HostFunction.outOfInstructions.rawValue)
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
        helper.u32(Instrumentation.HostFunction.outOfInstructions.rawValue)
        helper.bytes += [0x0b, 0x20, 0, 0x0b]
        let place = code.sizePlace()
        code.fillSize(at: place, helper.bytes.count)
        helper.bytes.withUnsafeBufferPointer { code.append($0, 0..<$0.count, spare: 0) }
    }
}
