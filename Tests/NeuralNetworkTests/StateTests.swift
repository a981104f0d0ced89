import Autodiff
import Kernels
import NeuralNetwork
import Testing

private func small(_ layers: [Layer], classes: Int = 10) throws -> Network {
    try Network(
        Architecture(name: [], inputHeight: 8, inputWidth: 8, inputChannels: 2, classes: classes, layers: layers))
}

private let normalised: [Layer] = [
    .conv2d(filters: 6, kernel: 3, stride: 1, padding: 1, bias: false), .batchNorm(), .relu,
    .residual([.depthwiseConv2d(kernel: 3, stride: 1, padding: 1, bias: false), .batchNorm(momentum: 0.3)]), .relu,
    .concatenate([[.averagePool2d(window: 2, stride: 2)], [.maxPool2d(window: 2, stride: 2), .hardSwish]]),
    .globalAveragePool, .layerNorm(), .dense(units: 10),
]

private func learner(_ network: Network, batch: Int = 8, seed: UInt64 = 3) throws -> Learner<SGD> {
    try Learner(
        network: network, preprocessing: Preprocessing(zeroPoints: [73, 80], scale: 0.01), batch: batch,
        optimizer: SGD(learningRate: 0.05, momentum: 0.9), seed: seed, workers: .threads(2))
}

private func batches(_ counts: [Int]) -> [Batch] {
    var random = SplitMix64(seed: 4)
    return counts.enumerated().map { Batch(&random, count: $1, step: $0, imageBytes: 128) }
}

@Suite struct StateTests {
    @Test func stepsListNestedLayers() throws {
        let network = try small(normalised)
        #expect(network.steps.count == 14 && network.layerShapes.count == normalised.count)
        let sum = try #require(network.steps.firstIndex { $0.operation == .add })
        #expect(network.steps[sum].inputs == [4, 2] && network.steps[sum].layer == 3)
        let joined = try #require(network.steps.firstIndex { $0.operation == .concatenate })
        #expect(network.steps[joined].inputs == [7, 9] && network.steps[joined].shape == [1, 4, 4, 12])
        #expect(network.state.map(\.layer) == [1, 1, 3, 3] && network.state[2].pixels == 64)
        #expect(network.parameters.map(\.role).contains(.shift))
        var next = 0
        for step in network.steps {
            #expect(step.parameters.lowerBound == next)
            next = step.parameters.upperBound
        }
        #expect(next == network.parameters.count)
    }

    /// Statistics are those of the images that are there, not of an unfilled batch.
    @Test func partialBatchIsTheStepOfASmallerPlan() throws {
        let network = try small(normalised)
        let large = try learner(network, batch: 8)
        let exact = try learner(network, batch: 5)
        for batch in batches([5, 5]) {
            let a = try batch.learn(large)
            let b = try batch.learn(exact)
            #expect(a == b)
        }
        #expect(large.variables == exact.variables)
    }

    @Test func restoredLearnerGoesOnWithTheSameBits() throws {
        let network = try small(normalised)
        let data = batches([8, 8, 3, 8, 8, 3])
        let whole = try learner(network)
        for batch in data { _ = try batch.learn(whole) }
        let first = try learner(network)
        for batch in data[..<3] { _ = try batch.learn(first) }
        let second = try learner(network, seed: 99)
        try second.restore(parameters: first.variables, optimizerState: first.optimizerState, steps: first.steps)
        for batch in data[3...] { _ = try batch.learn(second) }
        #expect(second.weightHash() == whole.weightHash() && second.state == whole.state)
        #expect(first.state != network.initialState() && first.state != whole.state)
        #expect(throws: LearnerError.parameters(array: -1, expected: 4, found: 0)) {
            try second.restore(parameters: first.parameters, optimizerState: first.optimizerState)
        }
    }

    /// Evaluation takes the running statistics: what one image gets does not depend on the others.
    @Test func evaluationUsesRunningStatistics() throws {
        let network = try small(normalised)
        let learner = try learner(network)
        let data = batches([8, 8, 8])
        for batch in data { _ = try batch.learn(learner) }
        func logits(_ count: Int, _ variables: [[Float]]) throws -> [Float] {
            let evaluator = try Evaluator(network: network, preprocessing: learner.preprocessing, batch: count)
            return try data[0].pixels.withUnsafeBufferPointer {
                try evaluator.logits(pixels: $0, count: 8, parameters: variables)
            }
        }
        let found = try logits(8, learner.variables)
        let alone = try logits(3, learner.variables)
        let untrained = try logits(8, learner.parameters + network.initialState())
        #expect(found == alone && found != untrained)
    }

    @Test func dropoutChangesFromStepToStepAndNotWithThreads() throws {
        let network = try small([.flatten, .dropout(rate: 0.5), .dense(units: 10)])
        let batch = batches([8])[0]
        func losses(_ seed: UInt64, start: Int = 0) throws -> [Float] {
            let learner = try learner(network, seed: seed)
            learner.optimizer.learningRate = 0
            try learner.restore(
                parameters: network.initialParameters(seed: 7), optimizerState: learner.optimizerState, steps: start)
            return try (0..<3).map { _ in try batch.learn(learner).loss }
        }
        let first = try losses(1)
        let (again, other) = (try losses(1), try losses(2))
        #expect(Set(first).count == 3 && first == again && first != other)
        // A resumed run drops what the uninterrupted one would.
        #expect(try losses(1, start: 1)[0] == first[1])
        #expect(network.hasDropout)
    }

    @Test func smoothedTargetsAndClippedGradientsChangeTheStep() throws {
        let network = try small([.flatten, .dense(units: 10)])
        let batch = batches([8])[0]
        let plain = try learner(network)
        let expected = try batch.learn(plain)
        let smooth = try learner(network)
        smooth.options.labelSmoothing = 0.2
        let rows: [Float] = batch.labels.flatMap { label in
            (0..<10).map { $0 == Int(label) ? Float(1) - 0.2 + 0.2 / 10 : 0.2 / 10 }
        }
        let given = try learner(network)
        let result = try batch.pixels.withUnsafeBufferPointer { pixels in
            try batch.labels.withUnsafeBufferPointer { labels in
                try rows.withUnsafeBufferPointer { try given.step(pixels: pixels, labels: labels, targets: $0) }
            }
        }
        let smoothed = try batch.learn(smooth)
        #expect(smoothed == result && result.loss != expected.loss)
        #expect(smooth.parameters == given.parameters)
        let clipped = try learner(network)
        clipped.options.maximumGradientNorm = 1e-3
        _ = try batch.learn(clipped)
        let moved = zip(clipped.parameters, network.initialParameters(seed: 3)).reduce(Float(0)) { total, pair in
            zip(pair.0, pair.1).reduce(total) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
        #expect(abs(moved.squareRoot() - 0.05 * 1e-3) < 1e-6)
    }

    /// A faulty nested layer names the layer around it.
    @Test(arguments: [
        (Layer.residual([.conv2d(filters: 3, kernel: 1, stride: 1, padding: 0)]), ShapeFault.broadcast),
        (.residual([.conv2d(filters: 2, kernel: 3, stride: 2, padding: 1)]), .broadcast),
        (.concatenate([[], [.maxPool2d(window: 2, stride: 2)]]), .broadcast),
        (.conv2d(filters: 4, kernel: 3, stride: 1, padding: 1, groups: 3), .groups),
        (.conv2d(filters: 4, kernel: 3, stride: 1, padding: 0, dilation: 4), .window),
    ])
    func faultyNestedLayersAreNamed(_ layer: Layer, _ fault: ShapeFault) {
        #expect(throws: NetworkError.shape(layer: 1, input: [1, 8, 8, 2], fault)) {
            try small([.relu, layer, .globalAveragePool, .dense(units: 10)])
        }
    }

    @Test(arguments: [
        (Layer.dropout(rate: 1), LayerSetting.rate), (.batchNorm(epsilon: 0), .epsilon), (.batchNorm(momentum: 2), .momentum),
        (.layerNorm(epsilon: 1), .epsilon), (.concatenate([]), .branches),
        (.depthwiseConv2d(kernel: 0, stride: 1, padding: 0), .kernel),
        (.conv2d(filters: .max, kernel: 3, stride: 1, padding: 0), .filters),
        (.conv2d(filters: 4, kernel: .max, stride: 1, padding: 0), .kernel),
        (.conv2d(filters: 4, kernel: 3, stride: .max, padding: 0), .stride),
        (.conv2d(filters: 4, kernel: 3, stride: 1, padding: .max), .padding),
        (.conv2d(filters: 4, kernel: 3, stride: 1, padding: 0, dilation: .max), .dilation),
        (.conv2d(filters: 4, kernel: 3, stride: 1, padding: 0, groups: .max), .groups),
        (.maxPool2d(window: .max, stride: 1), .window), (.averagePool2d(window: 2, stride: .max), .stride),
    ])
    func sizesOutOfRangeAreNamed(_ layer: Layer, _ setting: LayerSetting) {
        #expect(throws: NetworkError.size(layer: 0, setting)) { try small([layer, .flatten, .dense(units: 10)]) }
    }

    /// Sizes that are possible one by one, but give arrays that are not.
    @Test(arguments: [
        [Layer.conv2d(filters: LayerSetting.largest, kernel: 64, stride: 1, padding: 63)],
        [.conv2d(filters: LayerSetting.largest, kernel: 8, stride: 1, padding: 0), .relu, .flatten],
        [
            .conv2d(filters: 1, kernel: LayerSetting.largest, stride: 1, padding: LayerSetting.largest - 1), .flatten,
        ],
        [.depthwiseConv2d(kernel: 30_000, stride: 1, padding: 29_999), .depthwiseConv2d(kernel: 20_000, stride: 1, padding: 19_999)],
    ])
    func arraysThatAreTooLargeAreRefused(_ layers: [Layer]) {
        let error = #expect(throws: NetworkError.self) { try small(layers + [.flatten, .dense(units: 1 << 20)]) }
        guard case .large = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(arguments: [Preset.resnet8, .resnet20, .dscnn, .mobilenet])
    func multipliersChangeTheWidth(_ preset: Preset) throws {
        func count(_ multiplier: Float) throws -> Int {
            try Network(
                preset.architecture(height: 32, width: 32, channels: 3, classes: 10, multiplier: multiplier)
            ).parameterCount
        }
        #expect(preset.hasWidth)
        let counts = [try count(0.5), try count(1), try count(2)]
        #expect(counts[0] < counts[1] && counts[1] < counts[2])
    }
}
