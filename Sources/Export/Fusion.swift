import NeuralNetwork

/// The layers of a float network as the integer executor sees them: ReLU is part of the layer before it.
struct FusedNetwork {
    /// One layer that has weights, or one that only moves numbers.
    enum Step: Equatable {
        /// `layer` is its place in the architecture; `relu` whether its output is cut off at zero.
        case weighted(layer: Int, relu: Bool)
        case maxPool2d(window: Int, stride: Int)
        case flatten
    }

    let steps: [Step]

    /// Throws when a ReLU has no layer to be fused into, or when the last layer has one or has no weights.
    init(_ architecture: Architecture) throws(ExportError) {
        var steps: [Step] = []
        for (index, layer) in architecture.layers.enumerated() {
            switch layer {
            case .conv2d(_, _, _, _, dilation: 1, groups: 1, bias: true), .dense:
                steps.append(.weighted(layer: index, relu: false))
            case .maxPool2d(let window, let stride): steps.append(.maxPool2d(window: window, stride: stride))
            case .flatten: steps.append(.flatten)
            case .relu:
                // Pooling and flattening commute with ReLU, so it belongs to the last layer with weights.
                guard let place = steps.lastIndex(where: { if case .weighted = $0 { true } else { false } }),
                    case .weighted(let weighted, _) = steps[place]
                else {
                    throw .unsupported("layer \(index) is a relu with no conv2d or dense before it")
                }
                steps[place] = .weighted(layer: weighted, relu: true)
            default: throw .unsupported("layer \(index) (\(layer.name)) has no integer form yet")
            }
        }
        guard case .weighted(_, relu: false)? = steps.last else {
            throw .unsupported(
                "the last layer must be a dense or conv2d without relu, which gives the logits")
        }
        self.steps = steps
    }

    /// The layers whose outputs become int8 activations, with whether they are cut off at zero.
    var activations: [(layer: Int, relu: Bool)] {
        steps.dropLast().compactMap { step in
            if case .weighted(let layer, let relu) = step { (layer, relu) } else { nil }
        }
    }
}
