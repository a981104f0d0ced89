import Kernels

/// The kernels of a model in order, with their weights packed and every activation placed in one arena.
///
/// Only two activations are alive at a time: even ones lie at the start of the arena, odd ones at its end.
struct ExecutionPlan {
    enum Step {
        case convolution(QS8Convolution)
        case maxPool(input: QS8Plane, output: QS8Plane, window: Int, stride: Int)
        case dense(QS8Dense, low: Int16, high: Int16)
        case logits(QS8Dense)
    }

    private(set) var steps: [Step] = []
    /// The plane that step i reads and step i − 1 (for 0: the picture) writes.
    private(set) var planes: [QS8Plane]
    /// Where each plane lies in the arena.
    private(set) var offsets: [Int] = []
    /// Where the scratch memory of convolutions lies.
    private(set) var scratchOffset = 0
    /// 16-bit numbers of the whole arena.
    private(set) var arenaCount = 0

    init(_ model: QuantizedModel) {
        planes = [ExecutionPlan.plane(model.plan[0].input, readBy: model.layers[...])]
        var index = 0
        while index < model.layers.count {
            index += append(model, index)
        }
        place()
    }

    /// Adds the step for layer `index`, and gives back how many layers it covers.
    private mutating func append(_ model: QuantizedModel, _ index: Int) -> Int {
        let input = planes[planes.count - 1]
        let shape = model.plan[index]
        switch model.layers[index] {
        case .conv2d(let c):
            let pools = ExecutionPlan.poolsNext(model, index)
            let covered = pools ? 2 : 1
            let output = ExecutionPlan.plane(
                model.plan[index + covered - 1].output, readBy: model.layers[(index + covered)...])
            // Logits are dense by the rules of a model.
            guard case .activations(let low, let high) = c.output else { return covered }
            steps.append(
                .convolution(
                    QS8Convolution(
                        weights: c.weights, bias: c.bias, multipliers: c.multipliers, low: low, high: high,
                        kernelHeight: c.kernelHeight, kernelWidth: c.kernelWidth, stride: c.stride,
                        padding: c.padding, input: input, output: output, pools: pools)))
            planes.append(output)
            return covered
        case .maxPool2d(let window, let stride):
            let output = ExecutionPlan.plane(shape.output, readBy: model.layers[(index + 1)...])
            steps.append(.maxPool(input: input, output: output, window: window, stride: stride))
            planes.append(output)
        case .flatten:
            // The plane before it has no border, so its numbers already lie in HWC order.
            break
        case .dense(let dense):
            let layer = QS8Dense(
                weights: dense.weights, inputs: shape.input.count, outputs: dense.outputs, bias: dense.bias,
                multipliers: dense.multipliers)
            switch dense.output {
            case .activations(let low, let high):
                steps.append(.dense(layer, low: low, high: high))
                planes.append(ExecutionPlan.plane(shape.output, readBy: []))
            case .logits:
                steps.append(.logits(layer))
            }
        }
        return 1
    }

    /// 2x2 pooling at stride 2 happens on the sums of the convolution before it.
    private static func poolsNext(_ model: QuantizedModel, _ index: Int) -> Bool {
        guard index + 1 < model.layers.count, case .maxPool2d(2, 2) = model.layers[index + 1] else {
            return false
        }
        return true
    }

    private static func plane(_ shape: ActivationShape, readBy layers: ArraySlice<QuantizedLayer>) -> QS8Plane
    {
        var border = 0
        if case .conv2d(let next)? = layers.first { border = next.padding }
        return QS8Plane(height: shape.height, width: shape.width, channels: shape.channels, border: border)
    }

    private mutating func place() {
        var activations = planes[0].storage
        for i in 1..<max(planes.count, 1) {
            activations = max(activations, planes[i - 1].storage + planes[i].storage)
        }
        for i in 0..<planes.count { offsets.append(i % 2 == 0 ? 0 : activations - planes[i].storage) }
        scratchOffset = activations
        var scratch = 0
        for step in steps {
            if case .convolution(let layer) = step { scratch = max(scratch, layer.scratch) }
        }
        arenaCount = activations + scratch
    }
}
