import Kernels

/// What batch normalisation gives: the normalised array and the statistics that it used, [channels] each.
public struct BatchNormalized {
    public let value: Value
    public let mean: Value
    /// Mean squared distance from the mean.
    public let variance: Value
}

/// x less its mean, over its standard deviation, over all axes but the last, then times `scale` plus `shift`.
///
/// *Shapes*: x [..., c], scale and shift [c] (Ioffe and Szegedy, "Batch normalization", 2015).
/// Gradients, with x̂ = (x − mean)/√(variance + epsilon) and N elements a channel: dshift = Σ dy, dscale = Σ dy·x̂,
/// dx = scale/√(variance + epsilon) · (dy − dshift/N − x̂·dscale/N).
public func batchNorm(_ x: Value, scale: Value, shift: Value, epsilon: Float = 1e-5) -> BatchNormalized {
    let op = Op.batchNorm(epsilon: epsilon)
    guard x.shape.rank >= 2 else {
        let failed = x.graph.fail(op, .rank, x)
        return BatchNormalized(value: failed, mean: scale, variance: scale)
    }
    let channels: Shape = [x.shape[x.shape.rank - 1]]
    guard scale.shape == channels, shift.shape == channels else {
        let failed = x.graph.fail(op, .bias, x, scale.shape == channels ? shift : scale)
        return BatchNormalized(value: failed, mean: scale, variance: scale)
    }
    let mean = x.graph.append(.batchMean, channels, [x])
    let variance = x.graph.append(.batchVariance, channels, [x, mean])
    return BatchNormalized(
        value: x.graph.append(op, x.shape, [x, scale, shift, mean, variance]), mean: mean, variance: variance)
}

/// (x − mean)·scale/√(variance + epsilon) + shift with given statistics of each channel, for evaluation.
///
/// *Shapes*: x [..., c], all others [c].
public func normalize(
    _ x: Value, scale: Value, shift: Value, mean: Value, variance: Value, epsilon: Float = 1e-5
) -> Value {
    let op = Op.normalize(epsilon: epsilon)
    guard x.shape.rank >= 1 else { return x.graph.fail(op, .rank, x) }
    for other in [scale, shift, mean, variance] where other.shape != [x.shape[x.shape.rank - 1]] {
        return x.graph.fail(op, .bias, x, other)
    }
    return x.graph.append(op, x.shape, [x, scale, shift, mean, variance])
}

extension Gradients {
    func batchNormalisation(_ node: Graph.Node, _ y: Value, _ dy: Value) {
        switch node.op {
        case .batchMean:
            let x = input(node, 0)
            add(broadcast(dy * (Float(dy.shape.count) / Float(x.shape.count)), to: x.shape), to: x)
        case .batchVariance:
            let (x, mean) = (input(node, 0), input(node, 1))
            let slope = (x - mean) * (dy * (2 * Float(dy.shape.count) / Float(x.shape.count)))
            add(slope, to: x)
            if wants(node, 1) { add(-slope, to: mean) }
        case .batchNorm(let epsilon): normalisation(node, dy, epsilon)
        case .normalize(let epsilon): givenNormalisation(node, dy, epsilon)
        case .batchNormScaleGradient(let epsilon): scaleGradient(node, y, dy, epsilon)
        case .batchNormInputGradient(let epsilon): inputGradient(node, dy, epsilon)
        default: preconditionFailure("not a batch normalisation")
        }
    }

    private func channelSum(_ x: Value) -> Value { sum(x, axes: Array(0..<x.shape.rank - 1)) }

    /// Σ dy·x̂.
    private func scaleGradient(_ node: Graph.Node, _ dy: Value, _ epsilon: Float) -> Value {
        let (x, scale, mean, variance) = (input(node, 0), input(node, 1), input(node, 3), input(node, 4))
        return dy.graph.append(.batchNormScaleGradient(epsilon: epsilon), scale.shape, [dy, x, mean, variance])
    }

    private func normalisation(_ node: Graph.Node, _ dy: Value, _ epsilon: Float) {
        let (x, scale, shift) = (input(node, 0), input(node, 1), input(node, 2))
        let shiftGradient = channelSum(dy)
        let scaleGradient = scaleGradient(node, dy, epsilon)
        add(shiftGradient, to: shift)
        add(scaleGradient, to: scale)
        if wants(node, 0) {
            let arguments = [dy, x, scale, input(node, 3), input(node, 4), scaleGradient, shiftGradient]
            add(dy.graph.append(.batchNormInputGradient(epsilon: epsilon), x.shape, arguments), to: x)
        }
    }

    private func givenNormalisation(_ node: Graph.Node, _ dy: Value, _ epsilon: Float) {
        let (scale, mean, variance) = (input(node, 1), input(node, 3), input(node, 4))
        let inverse = 1 / sqrt(variance + epsilon)
        if wants(node, 0) { add(dy * (scale * inverse), to: input(node, 0)) }
        if wants(node, 2) { add(channelSum(dy), to: input(node, 2)) }
        if wants(node, 3) { add(-(channelSum(dy) * (scale * inverse)), to: mean) }
        guard wants(node, 1) || wants(node, 4) else { return }
        let scaleGradient = scaleGradient(node, dy, epsilon)
        add(scaleGradient, to: scale)
        if wants(node, 4) { add(scaleGradient * scale * inverse * inverse * -0.5, to: variance) }
    }

    /// Of s = inverse · Σ dy·(x − mean), all arguments being independent.
    private func scaleGradient(_ node: Graph.Node, _ s: Value, _ ds: Value, _ epsilon: Float) {
        let (dy, x, mean, variance) = (input(node, 0), input(node, 1), input(node, 2), input(node, 3))
        let inverse = 1 / sqrt(variance + epsilon)
        let factor = ds * inverse
        if wants(node, 0) { add((x - mean) * factor, to: dy) }
        if wants(node, 1) { add(dy * factor, to: x) }
        if wants(node, 2) { add(-(channelSum(dy) * factor), to: mean) }
        if wants(node, 3) { add(ds * s * inverse * inverse * -0.5, to: variance) }
    }

    /// Of dx = scale·inverse·r, r = dy − shiftGradient/N − x̂·scaleGradient/N, all arguments being independent.
    private func inputGradient(_ node: Graph.Node, _ g: Value, _ epsilon: Float) {
        let (dy, x, scale, mean) = (input(node, 0), input(node, 1), input(node, 2), input(node, 3))
        let (variance, scaleGradient, shiftGradient) = (input(node, 4), input(node, 5), input(node, 6))
        let share = Float(scale.shape.count) / Float(x.shape.count)
        let inverse = 1 / sqrt(variance + epsilon)
        let factor = scale * inverse
        let normalised = (x - mean) * inverse
        let total = channelSum(g)
        let tilted = channelSum(g * normalised)
        let tilt = scaleGradient * inverse * share
        if wants(node, 0) { add(g * factor, to: dy) }
        if wants(node, 1) { add(-(g * (factor * tilt)), to: x) }
        if wants(node, 3) { add(total * factor * tilt, to: mean) }
        add(-(tilted * factor * share), to: scaleGradient)
        add(-(total * factor * share), to: shiftGradient)
        guard wants(node, 2) || wants(node, 4) else { return }
        let rest = channelSum(g * (dy - shiftGradient * share - normalised * (scaleGradient * share)))
        add(rest * inverse, to: scale)
        // ∂/∂inverse = scale·rest − factor·share·scaleGradient·Σ g·(x − mean), ∂inverse/∂variance = −inverse³/2.
        let slope = scale * rest * inverse - factor * share * scaleGradient * tilted
        if wants(node, 4) { add(slope * inverse * inverse * -0.5, to: variance) }
    }
}

extension PortableExecutor {
    func batchNormalisation(_ step: Plan.Step) {
        let y = arena + step.output
        switch step.op {
        case .batchMean: sizes(step, 0, 0).mean(input(step, 0), y, workers: workers)
        case .batchVariance: sizes(step, 0, 0).variance(input(step, 0), mean: input(step, 1), y, workers: workers)
        case .batchNorm(let epsilon), .normalize(let epsilon):
            sizes(step, 0, epsilon).normalize(
                input(step, 0), scale: input(step, 1), shift: input(step, 2), mean: input(step, 3),
                variance: input(step, 4), y, workers: workers)
        case .batchNormScaleGradient(let epsilon):
            sizes(step, 1, epsilon).scaleGradient(
                input(step, 0), input(step, 1), mean: input(step, 2), variance: input(step, 3), y, workers: workers)
        case .batchNormInputGradient(let epsilon):
            sizes(step, 1, epsilon).inputGradient(
                input(step, 0), input(step, 1), scale: input(step, 2), mean: input(step, 3),
                variance: input(step, 4), scaleGradient: input(step, 5), shiftGradient: input(step, 6), y,
                workers: workers)
        default: preconditionFailure("not a batch normalisation")
        }
    }

    /// From the shape of the argument that is x.
    private func sizes(_ step: Plan.Step, _ place: Int, _ epsilon: Float) -> F32BatchNorm {
        let shape = step.inputShapes[place]
        let channels = shape[shape.rank - 1]
        return F32BatchNorm(pixels: shape.count / channels, channels: channels, epsilon: epsilon)
    }
}
