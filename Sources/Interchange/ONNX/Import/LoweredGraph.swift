import NeuralNetwork

/// Height, width and channels of one image's activations; a vector is 1 x 1 x its length.
struct Extent: Equatable {
    var height: Int
    var width: Int
    var channels: Int

    var count: Int { height * width * channels }

    static func vector(_ length: Int) -> Extent { Extent(height: 1, width: 1, channels: length) }
}

/// Rows and columns beyond the picture.
struct Edges: Equatable {
    var top = 0
    var left = 0
    var bottom = 0
    var right = 0

    static let none = Edges()
    var isNone: Bool { self == .none }
}

/// Where a convolution or pooling looks.
struct Window: Equatable {
    var height: Int
    var width: Int
    var strideHeight: Int
    var strideWidth: Int
    var dilationHeight = 1
    var dilationWidth = 1
    var edges: Edges
}

/// A convolution with the toolkit's order of weights.
struct Convolution: Equatable {
    var window: Window
    var groups: Int
    var outputs: Int
    /// [height][width][inputs / groups][outputs].
    var weights: [Float]
    var bias: [Float]
}

/// A fully connected layer.
struct Dense: Equatable {
    /// [inputs][outputs], inputs in the order row, column, channel.
    var weights: [Float]
    var bias: [Float]
}

/// One step of an imported network, on activations in the order row, column, channel.
struct LoweredNode {
    enum Kind {
        case input
        case conv2d(Convolution)
        case dense(Dense)
        /// x · scale + shift, for each channel.
        case affine(scale: [Float], shift: [Float])
        case relu
        /// One that the toolkit has as a layer without sizes.
        case activation(Layer)
        /// Its windows lie within the picture.
        case maxPool(Window)
        case averagePool(Window)
        case globalAverage
        /// A border of zeros.
        case pad(Edges)
        case add
        case concat
        /// Softmax or its logarithm: keeps the order of the classes.
        case softmax
    }

    var kind: Kind
    var inputs: [Int]
    var extent: Extent
    /// The ONNX node it was made of, for messages.
    var source: GraphNode
}

/// An imported network whose layout questions are settled; nodes follow their inputs, the first is the image.
struct LoweredGraph {
    var nodes: [LoweredNode]
    var output: Int
    /// What a person should know about the import.
    var notes: [String] = []

    /// How many nodes use each; the output counts as one more use.
    var uses: [Int] {
        var uses = [Int](repeating: 0, count: nodes.count)
        for node in nodes { for input in node.inputs { uses[input] += 1 } }
        uses[output] += 1
        return uses
    }
}
