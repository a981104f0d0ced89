import Kernels

/// A network for use after training: each batch normalisation that follows a convolution is part of its weights.
public struct FoldedNetwork: Sendable {
    /// Gives the same logits within rounding.
    public let network: Network
    private let source: Network

    public init(_ source: Network) throws(NetworkError) {
        self.source = source
        var architecture = source.architecture
        architecture.layers = FoldedNetwork.fold(architecture.layers)
        network = try Network(architecture)
    }

    private static func fold(_ layers: [Layer]) -> [Layer] {
        var result: [Layer] = []
        for (index, layer) in layers.enumerated() {
            var isNormalised = false
            if index + 1 < layers.count, case .batchNorm = layers[index + 1] { isNormalised = true }
            switch layer {
            case .conv2d(let filters, let kernel, let stride, let padding, let dilation, let groups, let bias):
                result.append(
                    .conv2d(
                        filters: filters, kernel: kernel, stride: stride, padding: padding, dilation: dilation,
                        groups: groups, bias: bias || isNormalised))
            case .depthwiseConv2d(let kernel, let stride, let padding, let bias):
                result.append(
                    .depthwiseConv2d(kernel: kernel, stride: stride, padding: padding, bias: bias || isNormalised))
            case .batchNorm:
                if index == 0 || !isConvolution(layers[index - 1]) { result.append(layer) }
            case .residual(let body, let projection):
                result.append(.residual(fold(body), projection: fold(projection)))
            case .concatenate(let branches):
                var folded: [[Layer]] = []
                for branch in branches { folded.append(fold(branch)) }
                result.append(.concatenate(folded))
            default: result.append(layer)
            }
        }
        return result
    }

    private static func isConvolution(_ layer: Layer) -> Bool {
        switch layer {
        case .conv2d, .depthwiseConv2d: true
        default: false
        }
    }

    /// The parameters of `network`, and what running statistics it keeps, from those of the network it was made of.
    ///
    /// weight · a and (bias − mean) · a + shift, with a = scale / √(variance + epsilon).
    public func variables(parameters: [[Float]], state: [[Float]]) -> (parameters: [[Float]], state: [[Float]]) {
        var result: (parameters: [[Float]], state: [[Float]]) = ([], [])
        var index = 0
        while index < source.steps.count {
            let step = source.steps[index]
            guard case .layer(let layer) = step.operation, FoldedNetwork.isConvolution(layer),
                index + 1 < source.steps.count, source.steps[index + 1].inputs == [index],
                case .layer(.batchNorm(let epsilon, _)) = source.steps[index + 1].operation
            else {
                result.parameters += parameters[step.parameters]
                result.state += state[step.state]
                index += 1
                continue
            }
            let next = source.steps[index + 1]
            var weight = parameters[step.parameters.lowerBound]
            let (scale, shift) = (parameters[next.parameters.lowerBound], parameters[next.parameters.lowerBound + 1])
            let (mean, variance) = (state[next.state.lowerBound], state[next.state.lowerBound + 1])
            var bias = [Float](repeating: 0, count: scale.count)
            if step.parameters.count == 2 { bias = parameters[step.parameters.lowerBound + 1] }
            for channel in 0..<scale.count {
                let factor = scale[channel] / (variance[channel] + epsilon).squareRoot()
                var place = channel
                while place < weight.count {
                    weight[place] *= factor
                    place += scale.count
                }
                bias[channel] = (bias[channel] - mean[channel]) * factor + shift[channel]
            }
            result.parameters += [weight, bias]
            index += 2
        }
        return result
    }
}
