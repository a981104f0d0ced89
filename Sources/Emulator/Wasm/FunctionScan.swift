/// One pass over a function body: where the runs of operators begin and what they cost, and what must be rewritten.
///
/// Follows the replica's rules: a run's cost is charged at its start; runs end at branches and at the ends of blocks;
/// function starts and loop heads also test the counter.
struct FunctionScan {
    struct Point {
        var position: Int
        var cost: UInt64
        var reentrant: Bool
    }
    enum EditKind {
        /// Replace the operator's function index, whose bytes end at `end`.
        case functionIndex(UInt32)
        /// Before the operator: charge the 32-bit or 64-bit size on top of the stack.
        case dynamicCharge(wide: Bool)
        /// Replace memory.grow by a grow that asks the host.
        case memoryGrow
    }
    struct Edit {
        var position: Int
        var end: Int
        var kind: EditKind
    }

    var points: [Point] = []
    var edits: [Edit] = []
    var operators = 0
    var complexity = 0
    var mutatesTable: Int?
    /// data.drop or elem.drop: state of the instance that lies in no memory and no global.
    var dropsSegments = false
    var growsMemory = false

    /// Bytes of the local declarations of the function last scanned, and the number of locals they declare.
    var locals = 0..<0
    var localGroups: UInt32 = 0
    var localCount: UInt64 = 0

    private let wideMemory: Bool
    private let wideTables: [Bool]
    private let accessExtra: UInt64
    private let scalar = InstructionCosts.scalar
    private let vector = InstructionCosts.vector
    private let weights = InstructionCosts.complexity

    init(_ module: WasmModule) {
        wideMemory = module.isWide
        wideTables = module.tables.map(\.limits.wide)
        accessExtra = module.isWide ? 1 : 0
    }

    mutating func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ body: Range<Int>) throws(WasmError) {
        points.removeAll(keepingCapacity: true)
        edits.removeAll(keepingCapacity: true)
        operators = 0
        complexity = 0
        growsMemory = false
        var reader = WasmReader(bytes, body)
        try scanLocals(&reader)
        try scalar.withUnsafeBufferPointer { (costs) throws(WasmError) in
            try scanOperators(&reader, costs)
        }
    }

    private mutating func scanLocals(_ reader: inout WasmReader) throws(WasmError) {
        localGroups = try reader.u32()
        localCount = 0
        let start = reader.position
        for _ in 0..<localGroups {
            localCount += UInt64(try reader.u32())
            let type = try reader.byte()
            if type == 0x63 || type == 0x64 { try reader.skipInteger() }
        }
        guard localCount <= 50_000 else { throw WasmError("more than 50000 locals", at: start) }
        locals = start..<reader.position
    }

    private mutating func scanOperators(
        _ reader: inout WasmReader, _ costs: UnsafeBufferPointer<UInt16>
    ) throws(WasmError) {
        var current = Point(position: reader.position, cost: 1, reentrant: true)
        var depth = 1
        while !reader.isAtEnd {
            guard depth > 0 else { throw WasmError("operators after the end of the function", at: reader.position) }
            let position = reader.position
            let code = try reader.byte()
            operators += 1
            complexity += Int(weights[Int(code)])
            current.cost += UInt64(costs[Int(code)])
            var splits = false
            var opensLoop = false
            switch code {
            case 0x20, 0x21, 0x22, 0x23, 0x24: try reader.skipInteger()
            case 0x28...0x3e:
                current.cost += accessExtra
                try memoryArgument(&reader)
            case 0x41, 0x42: try reader.skipInteger()
            case 0x43: try reader.skip(4)
            case 0x44: try reader.skip(8)
            case 0x45...0xc4, 0x01, 0x1a, 0x1b, 0xd1: break
            case 0x02: try blockType(&reader); depth += 1
            case 0x03: try blockType(&reader); depth += 1; splits = true; opensLoop = true
            case 0x04: try blockType(&reader); depth += 1; splits = true
            case 0x05, 0x00, 0x0f: splits = true
            case 0x0b: depth -= 1; splits = true
            case 0x0c, 0x0d: try reader.skipInteger(); splits = true
            case 0x0e:
                for _ in 0..<(try reader.u32()) { try reader.skipInteger() }
                try reader.skipInteger()
                splits = true
            case 0x10, 0xd2: try function(&reader, position)
            case 0x12: try function(&reader, position); splits = true
            case 0x11: try reader.skipInteger(); try reader.skipInteger()
            case 0x13: try reader.skipInteger(); try reader.skipInteger(); splits = true
            case 0x1c: for _ in 0..<(try reader.u32()) { try valueType(&reader) }
            case 0x25, 0x26:
                try reader.skipInteger()
                if code == 0x26 { mutatesTable = position }
            case 0x3f: try reader.skipInteger()
            case 0x40:
                try reader.skipInteger()
                growsMemory = true
                edits.append(Edit(position: position, end: reader.position, kind: .memoryGrow))
            case 0xd0: try reader.skipInteger()
            case 0xfc: current.cost += try bulkOperator(&reader, position) &- 1
            case 0xfd: current.cost += try vectorOperator(&reader) &- 1
            default: throw WasmError("unknown operator 0x" + String(code, radix: 16), at: position)
            }
            if splits {
                if current.reentrant || current.cost > 0 { points.append(current) }
                current = Point(position: reader.position, cost: 0, reentrant: opensLoop)
            }
        }
        guard depth == 0 else { throw WasmError("function without end", at: reader.position) }
    }

    @inline(__always)
    private func memoryArgument(_ reader: inout WasmReader) throws(WasmError) {
        let alignment = try reader.u32()
        if alignment & 0x40 != 0 { try reader.skipInteger() }
        try reader.skipInteger()
    }

    private func valueType(_ reader: inout WasmReader) throws(WasmError) {
        let type = try reader.byte()
        if type == 0x63 || type == 0x64 { try reader.skipInteger() }
    }

    @inline(__always)
    private func blockType(_ reader: inout WasmReader) throws(WasmError) {
        guard !reader.isAtEnd else { throw WasmError("unexpected end", at: reader.position) }
        let first = reader.bytes[reader.position]
        if first == 0x63 || first == 0x64 { try reader.skip(1) }
        try reader.skipInteger()
    }

    @inline(__always)
    private mutating func function(_ reader: inout WasmReader, _ position: Int) throws(WasmError) {
        let start = reader.position
        let index = try reader.u32()
        edits.append(Edit(position: start, end: reader.position, kind: .functionIndex(index)))
    }

    private mutating func bulkOperator(_ reader: inout WasmReader, _ position: Int) throws(WasmError) -> UInt64 {
        let code = Int(try reader.u32())
        guard code < InstructionCosts.bulk.count else {
            throw WasmError("unknown operator 0xfc \(code)", at: position)
        }
        let first: UInt32 = code >= 8 ? try reader.u32() : 0
        if [8, 10, 12, 14].contains(code) { _ = try reader.u32() }
        switch code {
        case 8, 12: edits.append(Edit(position: position, end: position, kind: .dynamicCharge(wide: false)))
        case 10, 11: edits.append(Edit(position: position, end: position, kind: .dynamicCharge(wide: wideMemory)))
        case 14, 17:
            let wide = Int(first) < wideTables.count && wideTables[Int(first)]
            edits.append(Edit(position: position, end: position, kind: .dynamicCharge(wide: wide)))
        default: break
        }
        if [12, 14, 15, 17].contains(code) { mutatesTable = position }
        if code == 9 || code == 13 { dropsSegments = true }
        complexity += code < 8 ? 2 : (code == 10 ? 3 : (code == 11 ? 2 : 0))
        return InstructionCosts.bulk[code]
    }

    private func vectorOperator(_ reader: inout WasmReader) throws(WasmError) -> UInt64 {
        let start = reader.position
        let code = Int(try reader.u32())
        guard code < 256 else { throw WasmError("relaxed SIMD is not supported", at: start) }
        switch code {
        case 0...11, 92, 93:
            try memoryArgument(&reader)
            return 1 + accessExtra
        case 84...91:
            try memoryArgument(&reader)
            try reader.skip(1)
            return 1 + accessExtra
        case 12, 13: try reader.skip(16)
        case 21...34: try reader.skip(1)
        default: break
        }
        return UInt64(vector[code])
    }
}
