/// One pass over a function body: where the runs of operators begin and what they cost, and what must be rewritten.
///
/// Follows the replica's rules: a run's cost is charged at its start; runs end at branches and at the ends of blocks;
/// function starts and loop heads also test the counter.
struct FunctionScan {
    struct Point {
        var position: Int
        var cost: UInt64
        var reentrant: Bool
        /// First of the locals that the loop opened here reads before it writes them, an index of `liveLocals`; or -1.
        var live: Int32 = -1
    }
    /// One entry of a list in `liveLocals`.
    struct LiveLocal {
        var local: UInt32
        var next: Int32
    }
    /// A loop whose end has not been reached.
    private struct OpenLoop {
        /// Ascending with the depth; greater than that of every loop opened before.
        var serial: UInt64
        var point: Int
        /// Depth of blocks outside of the loop.
        var depth: Int
        var live: Int32 = -1
        /// Calls in the loop, before which values leave the registers anyway.
        var hasCall = false
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

    private(set) var liveLocals: [LiveLocal] = []
    private var loops: [OpenLoop] = []
    private var serial: UInt64 = 0
    /// The innermost open loop's serial; 0 outside of loops.
    private var innermost: UInt64 = 0
    /// Depth of blocks outside of the innermost open loop; -1 outside of loops.
    private var floor = -1
    /// For each local, the serial of the innermost loop at its last access; never reset, for serials only grow.
    private var accessed: [UInt64] = []
    /// Types of parameters and locals: each with the index after the last local of the group.
    private var localTypes: [(end: UInt64, type: UInt8)] = []

    private let wideMemory: Bool
    private let wideTables: [Bool]
    private let accessExtra: UInt64
    private let vector = InstructionCosts.vector
    /// Cost of each one-byte operator, and its weight for the complexity in the upper half.
    private static let table: [UInt32] = zip(InstructionCosts.scalar, InstructionCosts.complexity).map {
        UInt32($0) | UInt32($1) << 16
    }

    init(_ module: WasmModule) {
        wideMemory = module.isWide
        wideTables = module.tables.map(\.limits.wide)
        accessExtra = module.isWide ? 1 : 0
    }

    mutating func scan(
        _ bytes: UnsafeBufferPointer<UInt8>, _ body: Range<Int>, parameters: [UInt8]
    ) throws(WasmError) {
        points.removeAll(keepingCapacity: true)
        edits.removeAll(keepingCapacity: true)
        liveLocals.removeAll(keepingCapacity: true)
        loops.removeAll(keepingCapacity: true)
        innermost = 0
        floor = -1
        operators = 0
        complexity = 0
        growsMemory = false
        var reader = WasmReader(bytes, body)
        try scanLocals(&reader, parameters)
        try Self.table.withUnsafeBufferPointer { (table) throws(WasmError) in
            try scanOperators(&reader, table)
        }
    }

    private mutating func scanLocals(_ reader: inout WasmReader, _ parameters: [UInt8]) throws(WasmError) {
        localGroups = try reader.u32()
        localCount = 0
        localTypes.removeAll(keepingCapacity: true)
        for (index, type) in parameters.enumerated() { localTypes.append((UInt64(index + 1), type)) }
        let start = reader.position
        for _ in 0..<localGroups {
            localCount += UInt64(try reader.u32())
            let type = try reader.byte()
            if type == 0x63 || type == 0x64 { try reader.skipInteger() }
            localTypes.append((localCount + UInt64(parameters.count), type))
        }
        guard localCount <= 50_000 else { throw WasmError("more than 50000 locals", at: start) }
        locals = start..<reader.position
        let total = parameters.count + Int(localCount)
        if total > accessed.count {
            accessed.append(contentsOf: repeatElement(0, count: total - accessed.count))
        }
    }

    /// The value type of a parameter or local of the function last scanned.
    func type(ofLocal local: UInt32) -> UInt8 {
        var (low, high) = (0, localTypes.count)
        while low < high {
            let middle = (low + high) / 2
            if localTypes[middle].end > UInt64(local) { high = middle } else { low = middle + 1 }
        }
        return low < localTypes.count ? localTypes[low].type : 0
    }

    /// Notes an access inside a loop: where it is the first one and a read, the loop's head needs the value.
    @inline(__always)
    private mutating func access(_ local: UInt32, reads: Bool) {
        guard Int(local) < accessed.count, accessed[Int(local)] < innermost else { return }
        firstAccess(local, reads: reads)
    }

    @inline(never)
    private mutating func firstAccess(_ local: UInt32, reads: Bool) {
        let last = accessed[Int(local)]
        accessed[Int(local)] = innermost
        guard reads else { return }
        for index in loops.indices.reversed() {
            guard loops[index].serial > last else { return }
            liveLocals.append(LiveLocal(local: local, next: loops[index].live))
            loops[index].live = Int32(liveLocals.count - 1)
        }
    }

    /// The point that `loop` opens must be the next one appended.
    private mutating func open(outside depth: Int) {
        serial += 1
        innermost = serial
        floor = depth
        loops.append(OpenLoop(serial: serial, point: points.count, depth: depth))
    }

    /// At the `end` of the innermost loop, after its last point was appended.
    private mutating func closeLoop() {
        let loop = loops.removeLast()
        innermost = loops.last?.serial ?? 0
        floor = loops.last?.depth ?? -1
        if loop.hasCall {
            if !loops.isEmpty { loops[loops.count - 1].hasCall = true }
        } else {
            points[loop.point].live = loop.live
        }
    }

    @inline(__always)
    private mutating func noteCall() {
        if innermost != 0 { loops[loops.count - 1].hasCall = true }
    }

    private mutating func scanOperators(
        _ reader: inout WasmReader, _ table: UnsafeBufferPointer<UInt32>
    ) throws(WasmError) {
        var current = Point(position: reader.position, cost: 1, reentrant: true)
        var depth = 1
        var (operators, complexity) = (0, 0)
        while !reader.isAtEnd {
            guard depth > 0 else { throw WasmError("operators after the end of the function", at: reader.position) }
            let position = reader.position
            let code = try reader.byte()
            let entry = table[Int(code)]
            operators &+= 1
            complexity &+= Int(entry >> 16)
            current.cost &+= UInt64(entry & 0xffff)
            var splits = false
            var opensLoop = false
            switch code {
            case 0x20: access(try reader.u32(), reads: true)
            case 0x21, 0x22: access(try reader.u32(), reads: false)
            case 0x23, 0x24: try reader.skipInteger()
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
            case 0x10: try function(&reader, position); noteCall()
            case 0xd2: try function(&reader, position)
            case 0x12: try function(&reader, position); splits = true
            case 0x11: try reader.skipInteger(); try reader.skipInteger(); noteCall()
            case 0x13: try reader.skipInteger(); try reader.skipInteger(); splits = true
            case 0x1c: for _ in 0..<(try reader.u32()) { try valueType(&reader) }
            case 0x25, 0x26:
                try reader.skipInteger()
                if code == 0x26 { mutatesTable = position }
            case 0x3f: try reader.skipInteger()
            case 0x40:
                try reader.skipInteger()
                growsMemory = true
                noteCall()
                edits.append(Edit(position: position, end: reader.position, kind: .memoryGrow))
            case 0xd0: try reader.skipInteger()
            case 0xfc: current.cost += try bulkOperator(&reader, position) &- 1
            case 0xfd: current.cost += try vectorOperator(&reader) &- 1
            default: throw WasmError("unknown operator 0x" + String(code, radix: 16), at: position)
            }
            if splits {
                if current.reentrant || current.cost > 0 { points.append(current) }
                current = Point(position: reader.position, cost: 0, reentrant: opensLoop)
                if opensLoop { open(outside: depth - 1) } else if depth == floor { closeLoop() }
            }
        }
        guard depth == 0 else { throw WasmError("function without end", at: reader.position) }
        self.operators = operators
        self.complexity += complexity
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
        if code >= 8 { noteCall() }
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
