import Autodiff

/// What recording a network gave: the result of each step, and the statistics of the batch.
public struct ForwardPass {
    /// One value for each of `Network.steps`.
    public let steps: [Value]
    /// One value for each of `Network.state`; none in evaluation.
    public let statistics: [Value]
    public let logits: Value
}

/// How a network is recorded.
public enum ForwardMode {
    /// Normalises with the running statistics that are given; drops nothing.
    case evaluation(state: [Value])
    /// Normalises with the statistics of the batch; drops numbers that are functions of the seed and the counter,
    /// a scalar that changes from step to step (nil for networks without dropout).
    case training(counter: Value?, seed: UInt64)
}

extension Network {
    /// The forward pass in evaluation: [n, height, width, channels] to [n, classes].
    public func logits(input: Value, parameters: [Value], state: [Value] = []) -> Value {
        forward(input: input, parameters: parameters, .evaluation(state: state)).logits
    }

    /// What every layer gives in evaluation, in order; the last are the logits.
    public func activations(input: Value, parameters: [Value], state: [Value] = []) -> [Value] {
        let pass = forward(input: input, parameters: parameters, .evaluation(state: state))
        return layerSteps.map { pass.steps[$0] }
    }

    /// Records every step.
    public func forward(input: Value, parameters values: [Value], _ mode: ForwardMode) -> ForwardPass {
        precondition(values.count == parameters.count, "one value for each parameter")
        if case .evaluation(let given) = mode {
            precondition(given.count == state.count, "one value for each running statistic")
        }
        var all: [Value] = []
        var statistics: [Value] = []
        for (index, step) in steps.enumerated() {
            input.graph.layer = step.layer
            let arguments = step.inputs.map { $0 < 0 ? input : all[$0] }
            let own = Array(values[step.parameters])
            if case .layer(.batchNorm(let epsilon, _)) = step.operation {
                switch mode {
                case .evaluation(let given):
                    let first = step.state.lowerBound
                    all.append(
                        normalize(
                            arguments[0], scale: own[0], shift: own[1], mean: given[first],
                            variance: given[first + 1], epsilon: epsilon))
                case .training:
                    let normalized = Autodiff.batchNorm(
                        arguments[0], scale: own[0], shift: own[1], epsilon: epsilon)
                    all.append(normalized.value)
                    statistics += [normalized.mean, normalized.variance]
                }
            } else if case .layer(.dropout(let rate)) = step.operation {
                all.append(Network.dropped(arguments[0], rate: rate, step: index, mode))
            } else {
                all.append(Network.apply(step.operation, arguments, own))
            }
        }
        input.graph.layer = -1
        return ForwardPass(steps: all, statistics: statistics, logits: all.last ?? input)
    }

    private static func dropped(_ x: Value, rate: Float, step: Int, _ mode: ForwardMode) -> Value {
        guard case .training(let counter?, let seed) = mode else { return x }
        let own = seed &+ UInt64(truncatingIfNeeded: step) &* 0x9E37_79B9_7F4A_7C15
        return Autodiff.dropout(x, rate: rate, seed: own, counter: counter)
    }

    /// Operations that are the same in training and evaluation.
    static func apply(_ operation: NetworkStep.Operation, _ inputs: [Value], _ parameters: [Value]) -> Value {
        let x = inputs[0]
        switch operation {
        case .add: return x + inputs[1]
        case .concatenate: return Autodiff.concatenate(inputs, axis: x.shape.rank - 1)
        case .layer(let layer):
            switch layer {
            case .conv2d(_, _, let stride, let padding, let dilation, let groups, let bias):
                return Autodiff.conv2d(
                    x, parameters[0], bias ? parameters[1] : nil, stride: stride, padding: padding,
                    dilation: dilation, groups: groups)
            case .depthwiseConv2d(_, let stride, let padding, let bias):
                return Autodiff.conv2d(
                    x, parameters[0], bias ? parameters[1] : nil, stride: stride, padding: padding,
                    groups: x.shape.rank == 4 ? x.shape[3] : 1)
            case .layerNorm(let epsilon):
                return Autodiff.layerNorm(x, scale: parameters[0], shift: parameters[1], epsilon: epsilon)
            case .relu: return Autodiff.relu(x)
            case .relu6: return Autodiff.relu6(x)
            case .hardSwish: return Autodiff.hardSwish(x)
            case .silu: return Autodiff.silu(x)
            case .gelu: return Autodiff.gelu(x)
            case .sigmoid: return Autodiff.sigmoid(x)
            case .tanh: return Autodiff.tanh(x)
            case .maxPool2d(let window, let stride): return Autodiff.maxPool2d(x, window: window, stride: stride)
            case .averagePool2d(let window, let stride):
                return Autodiff.averagePool2d(x, window: window, stride: stride)
            case .globalAveragePool: return Autodiff.globalAveragePool(x)
            case .flatten: return Autodiff.flatten(x)
            case .dense: return Autodiff.matmul(x, parameters[0], bias: parameters[1])
            case .batchNorm, .dropout, .residual, .concatenate:
                preconditionFailure("not the same in training and evaluation, or not elementary")
            }
        }
    }
}
