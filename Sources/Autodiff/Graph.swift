/// A record of operations on arrays of known shape; grows at the end, never changes.
///
/// Functions such as `conv2d` and the operators append to the graph of their arguments, so a model reads like
/// code that runs. A shape error does not interrupt: the graph keeps the first one and `Plan.init` throws it.
public final class Graph {
    /// One recorded operation.
    public struct Node {
        public let op: Op
        public let shape: Shape
        /// Places of the arguments in `nodes`, in the order of the op's documentation.
        public let inputs: [Int]
        /// The layer that was being recorded, or −1.
        public let layer: Int
    }

    public private(set) var nodes: [Node] = []

    /// The first error of any op, nil while all is well.
    public private(set) var error: AutodiffError?

    /// The layer that following ops belong to: error messages and profiles name it. −1 outside all layers.
    public var layer = -1

    public init() {}

    /// A value that the caller writes before each run.
    public func input(_ shape: Shape) -> Value { append(.input, shape, []) }

    /// A value that an optimizer changes between runs.
    public func parameter(_ shape: Shape) -> Value { append(.parameter, shape, []) }

    /// A scalar.
    public func constant(_ value: Float) -> Value { append(.constant(value), .scalar, []) }

    /// Records an op whose shape rule was checked before; the functions of `Ops/` call it, and executors that take a
    /// part of a graph.
    package func append(_ op: Op, _ shape: Shape, _ inputs: [Value]) -> Value {
        var places: [Int] = []
        for input in inputs {
            precondition(input.graph === self, "values of two graphs in one op")
            places.append(input.index)
        }
        nodes.append(Node(op: op, shape: shape, inputs: places, layer: layer))
        return Value(graph: self, index: nodes.count - 1)
    }

    /// Keeps the error if it is the first, and returns a stand-in so that recording goes on.
    func fail(_ op: Op, _ fault: ShapeFault, _ left: Value, _ right: Value? = nil) -> Value {
        if error == nil {
            error = .shape(op: op, fault, left: left.shape, right: right?.shape, layer: layer)
        }
        return left
    }

    func failNotScalar(_ shape: Shape) {
        if error == nil { error = .notScalar(shape) }
    }
}

/// A handle to the result of one recorded operation.
public struct Value {
    public let graph: Graph
    /// Place in `graph.nodes`.
    public let index: Int

    package init(graph: Graph, index: Int) {
        self.graph = graph
        self.index = index
    }

    public var node: Graph.Node { graph.nodes[index] }
    public var shape: Shape { graph.nodes[index].shape }
    public var op: Op { graph.nodes[index].op }
}

/// What can be wrong with a graph or a run of it.
public enum AutodiffError: Error, Equatable, Sendable {
    /// An op was given shapes that do not go together; `layer` is −1 outside all layers.
    case shape(op: Op, ShapeFault, left: Shape, right: Shape?, layer: Int)
    /// The gradient was asked of a value that is not a scalar.
    case notScalar(Shape)
    /// An array of another number of elements than the value it was written to.
    case count(expected: Int, found: Int)
}

/// Why shapes do not go together.
public enum ShapeFault: Equatable, Sendable {
    /// Two extents that must be equal, or one of them 1, are neither.
    case broadcast
    /// The number of axes is not the one that the op works on.
    case rank
    /// Extents that are summed over together differ.
    case inner
    /// The number of elements changes.
    case count
    /// A kernel or window is larger than what it slides over, or not positive.
    case window
    /// Padding is negative or not smaller than what the kernel covers, or the stride is not positive.
    case padding
    /// The bias has not one element for each output channel.
    case bias
    /// An axis that does not exist, or a permutation that is none.
    case axes
    /// The groups do not divide the channels or the filters, or there are none; or the dilation is not positive.
    case groups
    /// A part that reaches outside of the array, or has no elements.
    case bounds

    /// Half a sentence for people.
    public var text: StaticString {
        switch self {
        case .broadcast: "the shapes do not broadcast"
        case .rank: "the number of axes is wrong"
        case .inner: "the extents that are summed over differ"
        case .count: "the number of elements changes"
        case .window: "the kernel or window does not fit"
        case .padding: "padding must be below the kernel size and stride at least 1"
        case .bias: "the bias needs one element for each output channel"
        case .axes: "there is no such axis"
        case .groups: "groups must divide the channels and the filters"
        case .bounds: "the part reaches outside of the array"
        }
    }
}
