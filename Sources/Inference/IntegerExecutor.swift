import Kernels

/// Runs a `QuantizedModel` with integer kernels; the same logits bit for bit on every machine and thread count.
///
/// Weights are packed once, scratch memory is planned once; a call allocates only its result. One call at a time.
public final class IntegerExecutor {
    public let model: QuantizedModel
    private let workers: Workers
    private let plan: ExecutionPlan
    private let zeroPoints: [Int16]
    private let arenas: [Arena]

    /// Packs the weights and plans one arena per worker.
    public init(_ model: QuantizedModel, workers: Workers = .serial) {
        self.model = model
        self.workers = workers
        plan = ExecutionPlan(model)
        var pattern: [Int16] = []
        for i in 0..<QS8Elementwise.zeroPointPattern {
            pattern.append(Int16(model.input.zeroPoints[i % model.input.channels]))
        }
        zeroPoints = pattern
        var arenas: [Arena] = []
        for _ in 0..<workers.count {
            arenas.append(Arena(activations: plan.arenaCount, logits: model.labels.count + 3))
        }
        self.arenas = arenas
    }

    /// Bytes of scratch memory of one worker.
    public var arenaBytes: Int { plan.arenaCount * 2 }

    /// Integer logits `[image][class]` of `pixels.count / model.input.byteCount` pictures, HWC bytes each.
    public func logits(pixels: UnsafeBufferPointer<UInt8>) -> [Int32] {
        let imageBytes = model.input.byteCount
        precondition(pixels.count % imageBytes == 0, "whole pictures")
        let images = pixels.count / imageBytes
        let classes = model.labels.count
        guard images > 0, let first = pixels.baseAddress else { return [] }
        return [Int32](unsafeUninitializedCapacity: images * classes) { result, count in
            let target = result.baseAddress!
            // As many ranges as workers, so that each has an arena of its own.
            let grain = (images + workers.count - 1) / workers.count
            workers.forEachRange(images, grain: grain) { range in
                let arena = arenas[range.lowerBound / grain]
                for image in range {
                    run(first + image * imageBytes, arena)
                    (target + image * classes).update(from: arena.logits, count: classes)
                }
            }
            count = images * classes
        }
    }

    /// Integer logits `[image][class]` of whole pictures, HWC bytes each.
    public func logits(pixels: [UInt8]) -> [Int32] {
        pixels.withUnsafeBufferPointer { logits(pixels: $0) }
    }

    /// What one picture costs: `counter()` passed from layer to layer, for every layer of the model.
    ///
    /// A layer that does its work in the one before it (pooling) costs nothing here; turning the bytes of the
    /// picture into integers counts as part of the first. Meant for an instruction counter.
    public func costs(pixels: UnsafeBufferPointer<UInt8>, counter: () -> UInt64) -> [UInt64] {
        precondition(pixels.count == model.input.byteCount, "one picture")
        var costs = [UInt64](repeating: 0, count: model.layers.count)
        guard let first = pixels.baseAddress else { return costs }
        // Reading the counter costs something, too.
        let before = counter()
        let overhead = counter() &- before
        var last = counter()
        run(first, arenas[0]) { layer in
            let now = counter()
            costs[layer] += now &- last &- overhead
            last = counter()
        }
        return costs
    }

    /// One picture; its logits are left in the arena.
    private func run(_ pixels: UnsafePointer<UInt8>, _ arena: Arena) {
        run(pixels, arena) { _ in }
    }

    /// One picture, calling `finished` with the layer of each step.
    @inline(__always)
    private func run(_ pixels: UnsafePointer<UInt8>, _ arena: Arena, _ finished: (Int) -> Void) {
        let start = arena.activations
        let picture = start + plan.offsets[0]
        plan.planes[0].clearBorder(picture)
        zeroPoints.withUnsafeBufferPointer {
            QS8Elementwise.centre(
                pixels, zeroPoints: $0.baseAddress!, plane: plan.planes[0], picture)
        }
        plan.steps.withUnsafeBufferPointer { steps in
            for index in 0..<steps.count {
                run(steps[index], arena)
                finished(steps[index].layer)
            }
        }
    }

    @inline(never)
    private func run(_ step: ExecutionPlan.Step, _ arena: Arena) {
        let start = arena.activations
        let source = UnsafePointer(start + plan.offsets[step.input])
        if case .logits(let layer) = step.kernel {
            layer.logits(source, arena.logits)
            return
        }
        let input = plan.planes[step.input]
        let output = plan.planes[step.output]
        let target = start + plan.offsets[step.output]
        output.clearBorder(target)
        switch step.kernel {
        case .convolution(let layer): layer.run(source, target, scratch: start + plan.scratchOffset)
        case .depthwise(let layer): layer.run(source, target, scratch: start + plan.scratchOffset)
        case .maxPool(let window, let stride):
            QS8Elementwise.maxPool(source, input, target, output, window: window, stride: stride)
        case .averagePool(let layer): layer.run(source, input, target, output)
        case .add(let layer):
            layer.run(
                source, input, start + plan.offsets[step.other], plan.planes[step.other], target, output)
        case .copy: QS8Elementwise.copyRows(source, input, target)
        case .dense(let layer, let low, let high): layer.activations(source, target, low: low, high: high)
        case .logits: break
        }
    }
}

/// Memory of one worker, zero at first.
private final class Arena {
    let activations: UnsafeMutablePointer<Int16>
    let logits: UnsafeMutablePointer<Int32>

    init(activations count: Int, logits logitCount: Int) {
        activations = UnsafeMutablePointer.allocate(capacity: count)
        activations.initialize(repeating: 0, count: count)
        logits = UnsafeMutablePointer.allocate(capacity: logitCount)
        logits.initialize(repeating: 0, count: logitCount)
    }

    deinit {
        activations.deallocate()
        logits.deallocate()
    }
}
