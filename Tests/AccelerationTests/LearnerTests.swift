import Acceleration
import Kernels
import NeuralNetwork
import Testing

private struct Batch {
    let pixels: [UInt8]
    let labels: [UInt8]

    init(_ images: Int, _ inputCount: Int, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        pixels = (0..<images * inputCount).map { _ in UInt8(random.index(below: 256)) }
        labels = (0..<images).map { _ in UInt8(random.index(below: 10)) }
    }

    func step<E: TrainingEngine>(_ engine: E) throws -> StepResult {
        try pixels.withUnsafeBufferPointer { pixels in
            try labels.withUnsafeBufferPointer { try engine.step(pixels: pixels, labels: $0) }
        }
    }
}

private let preprocessing = Preprocessing(zeroPoints: [73], scale: 1 / 90)
private let sgd = SGD(learningRate: 0.05, momentum: 0.9, weightDecay: 1e-4)

private func network(_ preset: Preset) throws -> Network {
    try Network(preset.architecture(height: 28, width: 28, channels: 1, classes: 10))
}

private func accelerated(_ preset: Preset, batch: Int = 32, threads: Int = 2) throws -> AcceleratedLearner<
    SGD
> {
    try AcceleratedLearner(
        network: network(preset), preprocessing: preprocessing, batch: batch, optimizer: sgd, seed: 5,
        threads: threads)
}

@Suite struct LearnerTests {
    /// Steps on whole and partial batches. Where a rounding error flips a ReLU or a maximum, one gradient changes by
    /// one image's share of it; the tolerance on parameters is the rate times that. In deep networks a flip in an early
    /// layer moves all that follow, so that those with batch normalisation are compared after one step.
    @Test(arguments: Preset.allCases, [false, true])
    func stepsAgreeWithThePortableLearner(_ preset: Preset, partial: Bool) throws {
        let portable = try Learner(
            network: network(preset), preprocessing: preprocessing, batch: 32, optimizer: sgd, seed: 5)
        let engine = try accelerated(preset)
        #expect(engine.parameters == portable.parameters)
        let sizes = portable.network.state.isEmpty ? [32, 32, 19] : [partial ? 19 : 32]
        for (step, images) in sizes.enumerated() {
            let batch = Batch(images, 784, seed: UInt64(step))
            let expected = try batch.step(portable)
            let found = try batch.step(engine)
            #expect(abs(found.loss - expected.loss) <= 1e-4 * expected.loss)
            #expect(abs(found.correct - expected.correct) <= 1)
        }
        for (found, expected) in zip(engine.parameters, portable.parameters) {
            let worst = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(worst <= 2e-4, "\(worst)")
        }
        for (found, expected) in zip(engine.optimizerState, portable.optimizerState) {
            let worst = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(worst <= 4e-3, "\(worst)")
        }
        for (found, expected) in zip(engine.state, portable.state) {
            let worst = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(worst <= 1e-5, "\(worst)")
        }
        #expect(engine.state.count == portable.network.state.count && engine.steps == sizes.count)
    }

    /// Networks with convolutions run on the accelerated kernels but for the loss and what is smaller than a batch of logits.
    @Test(arguments: Preset.allCases.filter { $0 != .mlp }) func nothingLargeRunsPortable(_ preset: Preset) throws {
        let names = try accelerated(preset, batch: 128).executor.stepNames.map { $0.name }
        #expect(names.count { $0.contains("portable") } <= 3, "\(names)")
        #expect(names.allSatisfy { !$0.contains("reorder") && !$0.contains("ref") }, "\(names)")
    }

    @Test(arguments: Preset.allCases, [1, 2]) func runsRepeat(_ preset: Preset, threads: Int) throws {
        var hashes: Set<[UInt8]> = []
        for _ in 0..<2 {
            let engine = try accelerated(preset, threads: threads)
            for seed in 0..<3 { _ = try Batch(32, 784, seed: UInt64(seed)).step(engine) }
            hashes.insert(engine.weightHash())
        }
        #expect(hashes.count == 1)
    }

    /// What goes through the images together keeps some values for a few images only and makes others again; the numbers are
    /// those of calls that each see the whole batch. Three groups of images, so that threads have one or several.
    @Test(arguments: Preset.allCases, [1, 2]) func callsThatGoTogetherGiveTheSame(_ preset: Preset, threads: Int) throws {
        let engines = try [false, true].map { separately in
            try AcceleratedLearner(
                network: network(preset), preprocessing: preprocessing, batch: 48, optimizer: sgd, seed: 5,
                threads: threads, separately: separately)
        }
        for engine in engines {
            for seed in 0..<2 { _ = try Batch(48, 784, seed: UInt64(seed)).step(engine) }
        }
        #expect(engines[0].weightHash() == engines[1].weightHash())
    }

    @Test func callsThatGoTogetherNeedLessMemory() throws {
        let bytes = try [false, true].map { separately in
            try AcceleratedLearner(
                network: network(.resnet8), preprocessing: preprocessing, batch: 128, optimizer: sgd, seed: 5, threads: 2,
                separately: separately
            ).executor.arenaBytes
        }
        #expect(bytes[0] * 10 < bytes[1] * 9, "\(bytes)")
    }

    /// Parameters and optimizer state go through the library's layouts and back without a change.
    @Test(arguments: Preset.allCases) func restoredRunsGoOnTheSame(_ preset: Preset) throws {
        let first = try accelerated(preset)
        _ = try Batch(32, 784, seed: 1).step(first)
        let parameters = first.variables
        let state = first.optimizerState
        let second = try accelerated(preset)
        try second.restore(parameters: parameters, optimizerState: state, steps: 1)
        #expect(second.variables == parameters)
        #expect(second.optimizerState == state)
        #expect(state.contains { $0.contains { $0 != 0 } })
        _ = try Batch(32, 784, seed: 2).step(first)
        _ = try Batch(32, 784, seed: 2).step(second)
        #expect(first.weightHash() == second.weightHash())
    }

    @Test func badBatchesAreRefused() throws {
        let engine = try accelerated(.mlp, batch: 4)
        let large = Batch(5, 784, seed: 1)
        #expect(throws: LearnerError.batch(capacity: 4, pixels: 5 * 784, labels: 5)) {
            try large.step(engine)
        }
        let labels: [UInt8] = [1, 10]
        let pixels = [UInt8](repeating: 0, count: 2 * 784)
        #expect(throws: LearnerError.label(index: 1, label: 10, classes: 10)) {
            try pixels.withUnsafeBufferPointer { pixels in
                try labels.withUnsafeBufferPointer { try engine.step(pixels: pixels, labels: $0) }
            }
        }
        #expect(throws: LearnerError.parameters(array: -1, expected: 4, found: 0)) {
            try engine.restore(parameters: [], optimizerState: [])
        }
    }

    /// A loss that is not finite stops before the parameters move.
    @Test func infiniteLossIsNoticed() throws {
        let engine = try accelerated(.mlp, batch: 4)
        var parameters = engine.parameters
        parameters[3][0] = .infinity
        try engine.restore(parameters: parameters, optimizerState: engine.optimizerState)
        #expect(throws: LearnerError.notFinite(step: 0)) { try Batch(4, 784, seed: 1).step(engine) }
        #expect(engine.parameters == parameters)
    }

    @Test(arguments: Preset.allCases, [16, 48])
    func logitsAgreeWithThePortableEvaluator(_ preset: Preset, batch size: Int) throws {
        let network = try network(preset)
        let parameters = network.initialParameters(seed: 9) + network.initialState()
        let batch = Batch(61, 784, seed: 4)
        let portable = try Evaluator(network: network, preprocessing: preprocessing, batch: 16)
        let engine = try AcceleratedEvaluator(
            network: network, preprocessing: preprocessing, batch: size, threads: 2)
        try batch.pixels.withUnsafeBufferPointer { pixels in
            for _ in 0..<2 {
                let expected = try portable.logits(pixels: pixels, count: 61, parameters: parameters)
                let found = try engine.logits(pixels: pixels, count: 61, parameters: parameters)
                #expect(found.count == 610)
                let worst = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
                // 3136 terms at most, in several layers.
                #expect(worst <= 4 * 3136 * Float.ulpOfOne)
            }
        }
    }
}
