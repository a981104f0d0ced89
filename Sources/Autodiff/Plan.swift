import Kernels

/// A graph made ready to run: what is needed in which order, and where each array lives in one arena.
///
/// Nodes that no output depends on are dropped. A reshape shares the memory of its argument; an elementwise op
/// writes over an argument that nobody reads later; scratch of the kernels is laid out with the rest.
/// Leaves and outputs keep their place for good.
public struct Plan {
    /// One kernel call.
    public struct Step {
        /// Place in `graph.nodes`.
        public let node: Int
        public let op: Op
        public let layer: Int
        public let shape: Shape
        public let inputShapes: [Shape]
        /// Where the result, the arguments and the scratch memory begin in the arena, in floats.
        public let output: Int
        public let inputs: [Int]
        public let scratch: Int
        let walks: StepWalks
    }

    public let graph: Graph
    public let outputs: [Value]
    public let steps: [Step]
    /// Size of the arena in floats, everything included.
    public let arenaCount: Int
    /// Where each node begins in the arena, −1 if it has no place that lasts.
    private let places: [Int]

    /// Size of the arena in bytes.
    public var arenaBytes: Int { arenaCount * 4 }

    /// - Parameter outputs: what can be read after a run; all else may be overwritten.
    /// - Throws: the first error of the graph.
    public init(_ graph: Graph, outputs: [Value]) throws(AutodiffError) {
        if let error = graph.error { throw error }
        self.graph = graph
        self.outputs = outputs
        var layout = PlanLayout(graph, outputs: outputs)
        steps = layout.makeSteps()
        arenaCount = layout.arenaCount
        places = layout.lastingPlaces
    }

    /// Where a leaf or an output begins in the arena, in floats.
    public func place(of value: Value) -> Int {
        precondition(value.graph === graph && value.index < places.count, "a value of another graph")
        precondition(places[value.index] >= 0, "neither a leaf nor an output of this plan")
        return places[value.index]
    }

    /// The scalars of the plan, to be written once.
    var constants: [(place: Int, value: Float)] {
        var all: [(place: Int, value: Float)] = []
        for index in 0..<places.count where places[index] >= 0 {
            if case .constant(let value) = graph.nodes[index].op { all.append((places[index], value)) }
        }
        return all
    }
}
