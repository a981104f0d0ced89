import Kernels

/// Runs a `QuantizedModel` layer by layer with plain loops: the definition that `IntegerExecutor` must equal.
public enum IntegerExecutorReference {
    /// Integer logits of one picture of HWC bytes.
    public static func logits(_ model: QuantizedModel, pixels: [UInt8]) -> [Int32] {
        precondition(pixels.count == model.input.byteCount, "one picture")
        var values: [Int16] = []
        for i in 0..<pixels.count {
            values.append(Int16(pixels[i]) - Int16(model.input.zeroPoints[i % model.input.channels]))
        }
        var outputs: [[Int16]] = []
        for index in 0..<model.layers.count {
            let shape = model.plan[index].input
            switch model.layers[index] {
            case .conv2d(let c):
                let sums = QS8Reference.convolutionSums(
                    values, height: shape.height, width: shape.width, channels: shape.channels,
                    weights: c.weights, bias: c.bias, kernelHeight: c.kernelHeight,
                    kernelWidth: c.kernelWidth, stride: c.stride, padding: c.padding)
                guard case .activations(let low, let high) = c.output else { return [] }
                values = QS8Reference.activations(sums, multipliers: c.multipliers, low: low, high: high)
            case .maxPool2d(let window, let stride):
                values = QS8Reference.maxPool(
                    values, height: shape.height, width: shape.width, channels: shape.channels,
                    window: window, stride: stride)
            case .flatten: break
            case .depthwiseConv2d(let c):
                let sums = QS8Reference.depthwiseSums(
                    values, height: shape.height, width: shape.width, weights: c.weights, bias: c.bias,
                    kernelHeight: c.kernelHeight, kernelWidth: c.kernelWidth, stride: c.stride,
                    padding: c.padding)
                guard case .activations(let low, let high) = c.output else { return [] }
                values = QS8Reference.activations(sums, multipliers: c.multipliers, low: low, high: high)
            case .averagePool2d(let pool):
                let sums = QS8Reference.windowSums(
                    values, height: shape.height, width: shape.width, channels: shape.channels,
                    windowHeight: pool.windowHeight, windowWidth: pool.windowWidth, stride: pool.stride)
                guard case .activations(let low, let high) = pool.output else { return [] }
                values = QS8Reference.activations(sums, multipliers: [pool.multiplier], low: low, high: high)
            case .add(let add):
                guard case .activations(let low, let high) = add.output else { return [] }
                values = QS8Reference.sum(
                    values, outputs[add.source], add.multiplier, add.sourceMultiplier, low: low, high: high)
            case .output(let source): values = outputs[source]
            case .dense(let dense):
                let sums = QS8Reference.denseSums(values, weights: dense.weights, bias: dense.bias)
                switch dense.output {
                case .activations(let low, let high):
                    values = QS8Reference.activations(
                        sums, multipliers: dense.multipliers, low: low, high: high)
                case .logits:
                    var logits: [Int32] = []
                    for i in 0..<sums.count {
                        logits.append(QS8Reference.requantise(sums[i], dense.multipliers[i]))
                    }
                    return logits
                }
            }
            outputs.append(values)
        }
        return []
    }
}
