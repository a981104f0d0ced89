import Autodiff
import NeuralNetwork

/// A float network as the integer executor sees it: batch normalisation is part of the weights, ReLU part of the layer
/// before it, and all else that the executor does not know is said with what it knows.
///
/// Groups and holes of a convolution become zeros in its weights; a concatenation becomes a sum of convolutions that
/// each fill their own channels. All of it is exact but for rounding of the folded weights.
public struct FusedNetwork: Equatable, Sendable {
    /// Each after those whose results it takes; the last is dense, has no activation and gives the logits.
    public var nodes: [FoldedNode]
    public let input: Shape
    public let preprocessing: Preprocessing
    /// UTF-8.
    public let name: [UInt8]
    public let labels: [String]

    /// Throws when a layer has no integer form; the error names it.
    public init(_ model: FloatModel) throws(ExportError) {
        let network: Network
        do {
            network = try Network(model.architecture)
        } catch {
            throw .run(.invalid(error.explanation))
        }
        let architecture = model.architecture
        input = [1, architecture.inputHeight, architecture.inputWidth, architecture.inputChannels]
        preprocessing = model.preprocessing
        name = architecture.name
        labels = model.labels
        var folding = Folding(network, model.parameters, input: input)
        for index in network.steps.indices { try folding.add(step: index) }
        nodes = try folding.finished()
        for node in nodes where !(node.weight.allSatisfy(\.isFinite) && node.bias.allSatisfy(\.isFinite)) {
            throw .unsupported(
                "weights of layer \(node.layer) (\(node.name)) are infinite or no numbers, at least with the batch "
                    + "normalisation that belongs to them")
        }
    }

    /// How many nodes take what each gives, by its place.
    var readers: [[Int]] {
        var readers = [[Int]](repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() {
            for source in node.inputs where source >= 0 { readers[source].append(index) }
        }
        return readers
    }

    /// What comes into a node, by its places.
    func inputShape(_ node: FoldedNode) -> Shape { node.inputs[0] < 0 ? input : nodes[node.inputs[0]].shape }

    /// Weights and biases as leaves, in order.
    func leaves(in graph: Graph) -> [Value] {
        var leaves: [Value] = []
        for node in nodes where node.isWeighted {
            leaves.append(graph.parameter(filterShape(node)))
            leaves.append(graph.parameter([node.channels]))
        }
        return leaves
    }

    /// Weights and biases in the order of the leaves.
    var parameters: [[Float]] { nodes.filter(\.isWeighted).flatMap { [$0.weight, $0.bias] } }

    func filterShape(_ node: FoldedNode) -> Shape {
        let inputs = inputShape(node)
        let channels = inputs[inputs.rank - 1]
        return switch node.operation {
        case .conv2d(let outputs, let kernel, _, _): [kernel, kernel, channels, outputs]
        case .depthwiseConv2d(let kernel, _, _): [kernel, kernel, 1, channels]
        case .dense(let outputs): [channels, outputs]
        case .picture, .maxPool2d, .averagePool2d, .add, .flatten: .scalar
        }
    }

    /// Records the float network; gives what every node gives before its activation, and after it.
    func record(_ image: Value, _ leaves: [Value]) -> (sums: [Value], outputs: [Value]) {
        var sums: [Value] = []
        var outputs: [Value] = []
        var next = 0
        for node in nodes {
            image.graph.layer = node.layer
            let inputs = node.inputs.map { $0 < 0 ? image : outputs[$0] }
            let x = inputs[0]
            var own: ArraySlice<Value> = []
            if node.isWeighted {
                own = leaves[next..<next + 2]
                next += 2
            }
            let sum = Self.apply(node.operation, inputs, Array(own))
            sums.append(sum)
            outputs.append(node.activation(sum))
            precondition(x.shape.rank > 0, "a batch")
        }
        image.graph.layer = -1
        return (sums, outputs)
    }

    private static func apply(_ operation: FoldedNode.Operation, _ inputs: [Value], _ own: [Value]) -> Value {
        let x = inputs[0]
        switch operation {
        case .picture: return x
        case .conv2d(_, _, let stride, let padding):
            return Autodiff.conv2d(x, own[0], own[1], stride: stride, padding: padding)
        case .depthwiseConv2d(_, let stride, let padding):
            return Autodiff.conv2d(x, own[0], own[1], stride: stride, padding: padding, groups: x.shape[3])
        case .dense: return Autodiff.matmul(x, own[0], bias: own[1])
        case .maxPool2d(let window, let stride): return Autodiff.maxPool2d(x, window: window, stride: stride)
        case .averagePool2d(let height, let width, let stride):
            return windowSums(x, height, width, stride) * (1 / Float(height * width))
        case .add: return inputs[0] + inputs[1]
        case .flatten: return Autodiff.flatten(x)
        }
    }

    /// The sum of each window, [n, h, w, c] to [n, oh, ow, c].
    static func windowSums(_ x: Value, _ height: Int, _ width: Int, _ stride: Int) -> Value {
        if height == x.shape[1], width == x.shape[2] { return sum(x, axes: [1, 2], keepDims: true) }
        let ones = broadcast(x.graph.constant(1), to: [height, width, 1, x.shape[3]])
        return Autodiff.conv2d(x, ones, stride: stride, groups: x.shape[3])
    }
}
