import Kernels

/// The kernels of a model in order, with their weights packed and every activation placed in one arena.
struct ExecutionPlan {
    enum Kernel {
        case convolution(QS8Convolution)
        case depthwise(QS8Depthwise)
        case maxPool(window: Int, stride: Int)
        case averagePool(QS8AveragePool)
        case add(QS8Add)
        /// Drops the border of a plane that a dense layer reads.
        case copy
        case dense(QS8Dense, low: Int16, high: Int16)
        case logits(QS8Dense)
    }

    struct Step {
        let kernel: Kernel
        /// Index of the plane that is read, of the second summand of an add, and of the one written.
        let input: Int
        let other: Int
        let output: Int
        /// The layer it belongs to; pooling that happens on the sums of a convolution counts as part of that.
        let layer: Int
    }

    private(set) var steps: [Step] = []
    /// The picture first, then what each step writes.
    private(set) var planes: [QS8Plane]
    /// Where each plane lies in the arena.
    private(set) var offsets: [Int] = []
    /// Where the scratch memory of kernels lies.
    private(set) var scratchOffset = 0
    /// 16-bit numbers of the whole arena.
    private(set) var arenaCount = 0
    /// The plane of each layer's output.
    private var planeOfLayer: [Int] = []
    private let flow: Dataflow

    init(_ model: QuantizedModel) {
        flow = Dataflow(model.layers)
        planes = [flow.plane(of: -1, model.plan[0].input)]
        var index = 0
        while index < model.layers.count {
            index += append(model, index)
        }
        place()
    }

    /// Adds the step for layer `index`, and gives back how many layers it covers.
    private mutating func append(_ model: QuantizedModel, _ index: Int) -> Int {
        let current = planeOfLayer.last ?? 0
        let input = planes[current]
        let shape = model.plan[index]
        let output = flow.plane(of: index, shape.output)
        switch model.layers[index] {
        case .conv2d(let c):
            let pools = poolsNext(model, index)
            let covered = pools ? 2 : 1
            let output = pools ? flow.plane(of: index + 1, model.plan[index + 1].output) : output
            // Logits are dense by the rules of a model.
            guard case .activations(let low, let high) = c.output else { return covered }
            let layer = QS8Convolution(
                weights: c.weights, bias: c.bias, multipliers: c.multipliers, low: low, high: high,
                kernelHeight: c.kernelHeight, kernelWidth: c.kernelWidth, stride: c.stride,
                padding: c.padding, input: input, output: output, pools: pools,
                inputBound: index == 0 ? 255 : ExecutionPlan.bound(model, index))
            add(.convolution(layer), current, output, index)
            if pools { planeOfLayer.append(planes.count - 1) }
            return covered
        case .depthwiseConv2d(let c):
            guard case .activations(let low, let high) = c.output else { return 1 }
            let layer = QS8Depthwise(
                weights: c.weights, bias: c.bias, multipliers: c.multipliers, low: low, high: high,
                kernelHeight: c.kernelHeight, kernelWidth: c.kernelWidth, stride: c.stride,
                padding: c.padding, input: input, output: output)
            add(.depthwise(layer), current, output, index)
        case .maxPool2d(let window, let stride):
            add(.maxPool(window: window, stride: stride), current, output, index)
        case .averagePool2d(let pool):
            guard case .activations(let low, let high) = pool.output else { return 1 }
            let layer = QS8AveragePool(
                windowHeight: pool.windowHeight, windowWidth: pool.windowWidth, stride: pool.stride,
                multiplier: pool.multiplier, low: low, high: high)
            add(.averagePool(layer), current, output, index)
        case .add(let sum):
            guard case .activations(let low, let high) = sum.output else { return 1 }
            let layer = QS8Add(
                multiplier: sum.multiplier, otherMultiplier: sum.sourceMultiplier, low: low, high: high)
            add(.add(layer), current, output, index, other: planeOfLayer[sum.source])
        case .output(let source):
            planeOfLayer.append(planeOfLayer[source])
        case .flatten:
            // Without a border the numbers already lie in HWC order.
            if input.border == 0 { planeOfLayer.append(current) } else { add(.copy, current, output, index) }
        case .dense(let dense):
            let layer = QS8Dense(
                weights: dense.weights, inputs: shape.input.count, outputs: dense.outputs, bias: dense.bias,
                multipliers: dense.multipliers)
            switch dense.output {
            case .activations(let low, let high): add(.dense(layer, low: low, high: high), current, output, index)
            case .logits:
                steps.append(
                    Step(kernel: .logits(layer), input: current, other: current, output: current, layer: index))
                planeOfLayer.append(current)
            }
        }
        return 1
    }

    /// A step that writes a new plane.
    private mutating func add(
        _ kernel: Kernel, _ input: Int, _ output: QS8Plane, _ layer: Int, other: Int? = nil
    ) {
        steps.append(
            Step(kernel: kernel, input: input, other: other ?? input, output: planes.count, layer: layer))
        planeOfLayer.append(planes.count)
        planes.append(output)
    }

    /// The largest magnitude that reaches layer `index`, which is not the first.
    private static func bound(_ model: QuantizedModel, _ index: Int) -> Int {
        model.plan[index - 1].outputBound
    }

    /// 2x2 pooling at stride 2 happens on the sums of the convolution before it, unless those are wanted as well.
    private func poolsNext(_ model: QuantizedModel, _ index: Int) -> Bool {
        guard index + 1 < model.layers.count, case .maxPool2d(2, 2) = model.layers[index + 1] else {
            return false
        }
        return !flow.isReferred[index]
    }

    /// Large planes first, each at the lowest place that no plane alive at the same time takes.
    private mutating func place() {
        // A plane that nothing reads is still written.
        var lastUses: [Int] = []
        for plane in 0..<planes.count { lastUses.append(writer(plane)) }
        for index in 0..<steps.count {
            lastUses[steps[index].input] = index
            lastUses[steps[index].other] = index
        }
        offsets = [Int](repeating: -1, count: planes.count)
        for _ in 0..<planes.count {
            var largest = -1
            for index in 0..<planes.count where offsets[index] < 0 {
                if largest < 0 || planes[index].storage > planes[largest].storage { largest = index }
            }
            offsets[largest] = lowestPlace(largest, lastUses)
            scratchOffset = max(scratchOffset, offsets[largest] + planes[largest].storage)
        }
        var scratch = 0
        for step in steps {
            switch step.kernel {
            case .convolution(let layer): scratch = max(scratch, layer.scratch)
            case .depthwise(let layer): scratch = max(scratch, layer.scratch)
            default: break
            }
        }
        arenaCount = scratchOffset + scratch
    }

    /// Plane p is written by step p − 1 and is needed until `lastUses[p]`.
    private func lowestPlace(_ plane: Int, _ lastUses: [Int]) -> Int {
        let size = planes[plane].storage
        var place = 0
        var moved = true
        while moved {
            moved = false
            for other in 0..<planes.count where offsets[other] >= 0 {
                let isAlive = writer(other) <= lastUses[plane] && writer(plane) <= lastUses[other]
                let end = offsets[other] + planes[other].storage
                if isAlive, place < end, offsets[other] < place + size {
                    place = end
                    moved = true
                }
            }
        }
        return place
    }

    /// The step that writes a plane; the picture is written before the first.
    private func writer(_ plane: Int) -> Int { plane == 0 ? -1 : plane - 1 }
}
