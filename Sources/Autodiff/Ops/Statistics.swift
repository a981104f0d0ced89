// Means, variances and normalisations that are made of other ops.

/// The arithmetic mean over some axes.
public func mean(_ x: Value, axes: [Int], keepDims: Bool = false) -> Value {
    let total = sum(x, axes: axes, keepDims: keepDims)
    return total * (Float(total.shape.count) / Float(x.shape.count))
}

/// The arithmetic mean of all elements, a scalar.
public func mean(_ x: Value) -> Value { mean(x, axes: Array(0..<x.shape.rank)) }

/// The mean squared distance from the mean over some axes; with `unbiased` divided by one less than the elements.
public func variance(_ x: Value, axes: [Int], keepDims: Bool = false, unbiased: Bool = false) -> Value {
    let deviation = x - mean(x, axes: axes, keepDims: true)
    let average = mean(deviation * deviation, axes: axes, keepDims: keepDims)
    let count = x.shape.count / max(1, average.shape.count)
    return unbiased && count > 1 ? average * (Float(count) / Float(count - 1)) : average
}

/// x less its mean, over its standard deviation, along the last axis, then times `scale` plus `shift`.
///
/// *Shapes*: x [..., c], scale and shift [c] (Ba, Kiros and Hinton, "Layer normalization", 2016).
public func layerNorm(_ x: Value, scale: Value, shift: Value, epsilon: Float = 1e-5) -> Value {
    guard x.shape.rank >= 1 else { return x.graph.fail(.normalize(epsilon: epsilon), .rank, x) }
    let last = [x.shape.rank - 1]
    let deviation = x - mean(x, axes: last, keepDims: true)
    let spread = mean(deviation * deviation, axes: last, keepDims: true)
    return deviation / sqrt(spread + epsilon) * scale + shift
}

/// The average of each window.
///
/// *Shapes*: x [n, h, w, c] → [n, oh, ow, c], oh = (h − window) / stride + 1. A depthwise convolution with ones.
public func averagePool2d(_ x: Value, window: Int, stride: Int) -> Value {
    let op = Op.conv2d(Convolution(stride: stride))
    guard x.shape.rank == 4 else { return x.graph.fail(op, .rank, x) }
    guard window >= 1, stride >= 1, x.shape[1] >= window, x.shape[2] >= window else {
        return x.graph.fail(op, .window, x)
    }
    let ones = broadcast(x.graph.constant(1), to: [window, window, 1, x.shape[3]])
    return conv2d(x, ones, stride: stride, groups: x.shape[3]) * (1 / Float(window * window))
}

/// The average of each channel over rows and columns: [n, h, w, c] → [n, c].
public func globalAveragePool(_ x: Value) -> Value {
    guard x.shape.rank == 4 else { return x.graph.fail(.sum(axes: AxisSet(axes: [1, 2])), .rank, x) }
    return mean(x, axes: [1, 2])
}
