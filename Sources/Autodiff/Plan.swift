import Kernels

/// A graph made ready to run: what is needed in which order, and where each array lives in one arena.
///
/// Nodes that no output depends on are dropped. A view shares the memory of what it views; an elementwise op writes over an argument that
/// nobody reads later; scratch of the kernels is laid out with the rest. Leaves and outputs keep their place for good.
public struct Plan {
    /// One kernel call.
    public struct Step {
        /// Place in `graph.nodes`.
        public let node: Int
        public let op: Op
        public let shape: Shape
        public let inputShapes: [Shape]
        /// Where things begin in the arena, in floats.
        public let output: Int
        public let inputs: [Int]
        public let scratch: Int
        /// How the kernel walks its operands, for ops that need it.
        let walk: StridedWalk?
    }

    public let graph: Graph
    public let outputs: [Value]
    public let steps: [Step]
    /// Size of the arena in floats, everything included.
    public let arenaCount: Int
    /// Where each node begins in the arena, −1 if it has no place.
    let offsets: [Int]

    /// Size of the arena in bytes.
    public var arenaBytes: Int { arenaCount * 4 }

    /// - Throws: the first shape error of the graph.
    public init(_ graph: Graph, outputs: [Value]) throws(AutodiffError) {
        if let error = graph.error { throw error }
        fatalError("being written")
    }
}
