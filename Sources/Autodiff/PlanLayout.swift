import Kernels

/// Works out lifetimes and places; used once by `Plan.init`.
struct PlanLayout {
    private let graph: Graph
    /// For each node whether an output depends on it.
    private var needed: [Bool]
    /// For each node the node whose memory it shares (itself, unless it is a reshape or overwrites its argument).
    private var owner: [Int]
    /// For each owner the last node that reads its memory; `Int.max` for what must last.
    private var lastUse: [Int]
    private var offset: [Int]
    private var arena = Arena()

    init(_ graph: Graph, outputs: [Value]) {
        self.graph = graph
        let count = graph.nodes.count
        needed = [Bool](repeating: false, count: count)
        owner = Array(0..<count)
        lastUse = [Int](repeating: -1, count: count)
        offset = [Int](repeating: -1, count: count)
        for output in outputs { needed[output.index] = true }
        for index in stride(from: count - 1, through: 0, by: -1) where needed[index] {
            for input in graph.nodes[index].inputs { needed[input] = true }
        }
        for index in 0..<count where needed[index] {
            if case .reshape = graph.nodes[index].op { owner[index] = owner[graph.nodes[index].inputs[0]] }
            for input in graph.nodes[index].inputs { lastUse[owner[input]] = index }
        }
        for index in 0..<count where graph.nodes[index].op.isLeaf { lastUse[index] = .max }
        for output in outputs { lastUse[owner[output.index]] = .max }
    }

    /// Floats of the arena; a few more than are used, because one kernel may read past an array.
    var arenaCount: Int { arena.count + F32Conv2d.overread }

    /// Where leaves and outputs are, −1 for the rest.
    var lastingPlaces: [Int] {
        var all = offset
        for index in 0..<all.count where lastUse[owner[index]] != .max { all[index] = -1 }
        return all
    }

    mutating func makeSteps() -> [Plan.Step] {
        for (index, node) in graph.nodes.enumerated() where needed[index] && node.op.isLeaf {
            offset[index] = arena.take(node.shape.count)
        }
        var steps: [Plan.Step] = []
        for (index, node) in graph.nodes.enumerated() where needed[index] && !node.op.isLeaf {
            if case .reshape = node.op {
                offset[index] = offset[node.inputs[0]]
                continue
            }
            steps.append(makeStep(index, node))
        }
        return steps
    }

    private mutating func makeStep(_ index: Int, _ node: Graph.Node) -> Plan.Step {
        let shapes = node.inputs.map { graph.nodes[$0].shape }
        offset[index] = takeOver(index, node, shapes) ?? arena.take(node.shape.count)
        let scratchCount = node.op.scratchCount(shape: node.shape, inputs: shapes)
        let scratch = arena.take(scratchCount)
        arena.giveBack(scratch, scratchCount)
        for input in node.inputs where lastUse[owner[input]] == index {
            arena.giveBack(offset[input], graph.nodes[input].shape.count)
            lastUse[owner[input]] = -1
        }
        return Plan.Step(
            node: index, op: node.op, layer: node.layer, shape: node.shape, inputShapes: shapes,
            output: offset[index], inputs: node.inputs.map { offset[$0] }, scratch: scratch,
            walks: StepWalks(node.op, shape: node.shape, inputs: shapes))
    }

    /// The memory of an argument that dies with an elementwise op and has its size, for the result to lie in.
    private mutating func takeOver(_ index: Int, _ node: Graph.Node, _ shapes: [Shape]) -> Int? {
        guard node.op.isElementwise else { return nil }
        for (place, input) in node.inputs.enumerated()
        where shapes[place].count == node.shape.count && lastUse[owner[input]] == index {
            lastUse[owner[input]] = -1
            return offset[input]
        }
        return nil
    }
}

/// Hands out places in one stretch of memory that grows as needed, smallest fitting gap first.
private struct Arena {
    private(set) var count = 0
    /// Gaps in ascending order, never touching.
    private var gaps: [Range<Int>] = []

    mutating func take(_ wanted: Int) -> Int {
        let size = Arena.rounded(wanted)
        var best = -1
        for (index, gap) in gaps.enumerated() where gap.count >= size {
            if best < 0 || gap.count < gaps[best].count { best = index }
        }
        if best >= 0 {
            let start = gaps[best].lowerBound
            gaps[best] = start + size..<gaps[best].upperBound
            if gaps[best].isEmpty { gaps.remove(at: best) }
            return start
        }
        // A gap at the end grows.
        var start = count
        if let last = gaps.last, last.upperBound == count {
            start = last.lowerBound
            gaps.removeLast()
        }
        count = start + size
        return start
    }

    mutating func giveBack(_ start: Int, _ wanted: Int) {
        let size = Arena.rounded(wanted)
        if size == 0 { return }
        var at = 0
        while at < gaps.count && gaps[at].lowerBound < start { at += 1 }
        gaps.insert(start..<start + size, at: at)
        if at + 1 < gaps.count && gaps[at].upperBound == gaps[at + 1].lowerBound {
            gaps[at] = gaps[at].lowerBound..<gaps[at + 1].upperBound
            gaps.remove(at: at + 1)
        }
        if at > 0 && gaps[at - 1].upperBound == gaps[at].lowerBound {
            gaps[at - 1] = gaps[at - 1].lowerBound..<gaps[at].upperBound
            gaps.remove(at: at)
        }
    }

    /// Whole lines of the cache.
    private static func rounded(_ count: Int) -> Int { (count + 15) & ~15 }
}
