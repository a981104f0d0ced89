import Foundation
import Kernels
import NeuralNetwork
import Testing
import Training

@Suite struct TrainingLoopTests {
    static let dataset = patches(train: 150, test: 40)

    static func configuration(
        epochs: Int = 3, learningRate: Float = 0.05, validationFraction: Double = 0.2, seed: UInt64 = 5,
        executor: ExecutorKind = .portable, also change: (inout Hyperparameters) throws -> Void = { _ in }
    ) throws -> RunConfiguration {
        var hyper = Hyperparameters()
        hyper.epochs = epochs
        hyper.batch = 16
        hyper.learningRate = learningRate
        hyper.validationFraction = validationFraction
        hyper.seed = seed
        try change(&hyper)
        let architecture = Preset.convnet.architecture(height: 12, width: 12, channels: 1, classes: 4)
        return try RunConfiguration(
            toolkitVersion: "test", dataset: dataset, network: small(architecture), hyperparameters: hyper,
            executor: executor)
    }

    /// A convolution, pooling and a dense layer: everything a step has, in little time.
    static func small(_ base: Architecture) -> Architecture {
        var result = base
        result.layers = [
            .conv2d(filters: 4, kernel: 3, stride: 1, padding: 1), .relu, .maxPool2d(window: 2, stride: 2),
            .flatten,
            .dense(units: 4),
        ]
        return result
    }

    /// Trains in a new folder, stopping after each of `stops` steps and resuming.
    static func train(
        _ configuration: RunConfiguration, stops: [Int] = [], workers: Workers = .serial
    ) throws -> (
        folder: TemporaryFolder, run: RunFolder, finish: TrainingEvent.Finish, epochs: [TrainingEvent.Epoch]
    ) {
        let temporary = try TemporaryFolder()
        let run = try RunFolder.create(temporary.path + "/run", configuration: configuration, force: false)
        var epochs: [TrainingEvent.Epoch] = []
        for stop in stops + [Int.max] {
            let (folder, stored) = try RunFolder.open(run.path)
            let loop = try TrainingLoop(
                stored, dataset: dataset, folder: folder, checkpoint: try folder.load(.last, for: stored),
                workers: workers)
            var steps = 0
            let outcome = try loop.run(shouldStop: { steps >= stop }) { event in
                if case .step = event { steps += 1 }
                if case .epoch(let epoch) = event { epochs.append(epoch) }
            }
            if case .finished(let finish) = outcome {
                #expect(stop == Int.max)
                return (temporary, run, finish, epochs)
            }
            #expect(steps == stop)
        }
        throw RunError.invalid("the run never finished")
    }

    @Test func learns() throws {
        let result = try TrainingLoopTests.train(try TrainingLoopTests.configuration(epochs: 6))
        let first = try #require(result.epochs.first)
        let last = try #require(result.epochs.last)
        #expect(last.trainLoss < first.trainLoss / 2)
        #expect(try #require(result.finish.bestValidationAccuracy) > 0.9)
    }

    /// Stopped early, at the end of an epoch, in the middle, several times: the same weights and metrics.
    @Test(arguments: [[1], [7], [8], [9], [3, 4, 10], [1, 1, 1]])
    func resumedEqualsUninterrupted(stops: [Int]) throws {
        let configuration = try TrainingLoopTests.configuration()
        let whole = try TrainingLoopTests.train(configuration)
        let parts = try TrainingLoopTests.train(configuration, stops: stops)
        #expect(parts.finish.weightHash == whole.finish.weightHash)
        #expect(parts.finish.bestWeightHash == whole.finish.bestWeightHash)
        #expect(parts.epochs.map(\.trainLoss) == whole.epochs.map(\.trainLoss))
        #expect(parts.epochs.map(\.trainAccuracy) == whole.epochs.map(\.trainAccuracy))
        #expect(parts.epochs.map(\.validationLoss) == whole.epochs.map(\.validationLoss))
        let a = try whole.run.load(.last, for: configuration)
        #expect(try parts.run.load(.last, for: configuration) == a)
        #expect(a?.optimizerState.contains { $0.contains { $0 != 0 } } == true)
    }

    @Test(arguments: [2, 3])
    func threadsDoNotChangeTheResult(threads: Int) throws {
        let configuration = try TrainingLoopTests.configuration(epochs: 2)
        let one = try TrainingLoopTests.train(configuration)
        let more = try TrainingLoopTests.train(configuration, workers: .threads(threads))
        #expect(one.finish.weightHash == more.finish.weightHash)
    }

    static func everything(_ hyper: inout Hyperparameters) throws {
        hyper.augmentation = try Augmentation(
            "crop:1,flip,rotate:10,scale:0.1,erase:0.3,brightness:0.1,contrast:0.1,mixup:0.3,cutmix:1")
        hyper.labelSmoothing = 0.1
        hyper.classWeights = .balanced
        hyper.patience = 2
        hyper.optimizer = .adamw
        hyper.learningRate = 0.003
        hyper.warmUp = 0.5
        hyper.clip = 0.5
        hyper.averaging = 0.9
    }

    /// Augmentation, mixing, smoothing, weights: stopped and resumed anywhere, with any threads, the same bits.
    @Test func everythingResumesWithTheSameBits() throws {
        let configuration = try TrainingLoopTests.configuration(epochs: 4, also: TrainingLoopTests.everything)
        let whole = try TrainingLoopTests.train(configuration)
        let parts = try TrainingLoopTests.train(configuration, stops: [3, 9, 1], workers: .threads(3))
        #expect(whole.finish.weightHash == parts.finish.weightHash)
        #expect(whole.finish.bestWeightHash == parts.finish.bestWeightHash)
        #expect(whole.epochs.map(\.trainLoss) == parts.epochs.map(\.trainLoss))
        let plain = try TrainingLoopTests.train(try TrainingLoopTests.configuration(epochs: 4))
        #expect(plain.finish.weightHash != whole.finish.weightHash)
    }

    /// Running statistics are part of what is kept.
    @Test func batchNormResumesWithTheSameBits() throws {
        var configuration = try TrainingLoopTests.configuration(epochs: 3)
        var architecture = try configuration.network.architecture()
        architecture.layers.insert(.batchNorm(), at: 1)
        configuration.network = NetworkDescription(architecture)
        let whole = try TrainingLoopTests.train(configuration)
        let parts = try TrainingLoopTests.train(configuration, stops: [3, 9], workers: .threads(2))
        #expect(whole.finish.weightHash == parts.finish.weightHash)
        #expect(whole.epochs.map(\.validationLoss) == parts.epochs.map(\.validationLoss))
        #expect(try #require(whole.finish.bestValidationAccuracy) > 0.8)
    }

    @Test func stopsWhenNothingGetsBetter() throws {
        let configuration = try TrainingLoopTests.configuration(epochs: 40) { hyper in
            hyper.patience = 3
            hyper.schedule = .constant
        }
        let result = try TrainingLoopTests.train(configuration)
        #expect(result.finish.stoppedEarly == true)
        #expect(result.finish.epochs == result.finish.bestEpoch + 3)
        #expect(result.epochs.count == result.finish.epochs)
        // Asked to go on, it knows that it is done.
        let (folder, stored) = try RunFolder.open(result.run.path)
        let again = try TrainingLoop(
            stored, dataset: TrainingLoopTests.dataset, folder: folder,
            checkpoint: try folder.load(.last, for: stored), workers: .serial)
        guard case .finished(let finish) = try again.run(observe: { _ in }) else {
            Issue.record("went on")
            return
        }
        #expect(finish.weightHash == result.finish.weightHash)
    }

    @Test func acceleratedTrainsResumesAndAgrees() throws {
        let portable = try TrainingLoopTests.train(try TrainingLoopTests.configuration(epochs: 2))
        let configuration = try TrainingLoopTests.configuration(epochs: 2, executor: .accelerated)
        let whole = try TrainingLoopTests.train(configuration)
        let parts = try TrainingLoopTests.train(configuration, stops: [5])
        for (a, b) in [(whole, portable), (parts, whole)] {
            for (x, y) in zip(a.epochs, b.epochs) { #expect(abs(x.trainLoss - y.trainLoss) < 1e-3) }
            #expect(a.epochs.count == b.epochs.count)
        }
    }

    /// Runs of the first version have none of the later settings.
    @Test func readsOlderConfigurations() throws {
        let plain = try JSONEncoder().encode(Hyperparameters())
        let text = String(decoding: plain, as: UTF8.self)
        for later in [
            "augmentation", "labelSmoothing", "classWeights", "patience", "optimizer", "warmUp", "clip", "averaging",
        ] {
            #expect(!text.contains(later))
        }
        #expect(try JSONDecoder().decode(Hyperparameters.self, from: plain) == Hyperparameters())
        var hyper = Hyperparameters()
        try TrainingLoopTests.everything(&hyper)
        #expect(
            try JSONDecoder().decode(Hyperparameters.self, from: try JSONEncoder().encode(hyper)) == hyper)
    }

    /// Settings of which each alone changes the weights, and after each of which a resumed run has the same bits.
    static let rules: [(String, @Sendable (inout Hyperparameters) -> Void)] = [
        ("adam", { $0.optimizer = .adam }),
        ("adamw", { ($0.optimizer, $0.weightDecay) = (.adamw, 0.1) }),
        ("nesterov", { $0.nesterov = true }),
        ("clip", { $0.clip = 0.2 }),
        ("averaging", { $0.averaging = 0.8 }),
        ("warm-up", { $0.warmUp = 1.5 }),
        ("one-cycle", { $0.schedule = .oneCycle }),
        ("steps", { $0.schedule = .step(epochs: 1, factor: 0.5) }),
    ]

    @Test(arguments: rules.indices) func everyRuleCountsAndResumes(_ index: Int) throws {
        func configuration(_ change: (inout Hyperparameters) -> Void) throws -> RunConfiguration {
            try TrainingLoopTests.configuration(epochs: 3, learningRate: 0.005, also: change)
        }
        let plain = try TrainingLoopTests.train(try configuration { _ in })
        let chosen = try configuration(TrainingLoopTests.rules[index].1)
        let whole = try TrainingLoopTests.train(chosen)
        let parts = try TrainingLoopTests.train(chosen, stops: [4, 10], workers: .threads(2))
        #expect(whole.finish.bestWeightHash != plain.finish.bestWeightHash)
        #expect(whole.finish.weightHash == parts.finish.weightHash)
        #expect(whole.finish.bestWeightHash == parts.finish.bestWeightHash)
        #expect(whole.epochs.map(\.validationLoss) == parts.epochs.map(\.validationLoss))
    }

    /// The averages are what is validated and kept, and the weights under way go on without them.
    @Test func averagedWeightsAreTheBestOnes() throws {
        let plain = try TrainingLoopTests.train(try TrainingLoopTests.configuration(validationFraction: 0))
        let averaged = try TrainingLoopTests.configuration(validationFraction: 0) { $0.averaging = 0.9 }
        let result = try TrainingLoopTests.train(averaged)
        #expect(result.finish.weightHash == plain.finish.weightHash)
        let last = try #require(try result.run.load(.last, for: averaged))
        let best = try #require(try result.run.load(.best, for: averaged))
        #expect(best.parameters == averaged.hyperparameters.rule.averages(in: last.optimizerState))
        #expect(best.parameters != last.parameters)
    }

    @Test func refusesSettingsThatDoNotGoTogether() {
        let wrong: [@Sendable (inout Hyperparameters) -> Void] = [
            { ($0.optimizer, $0.nesterov) = (.adam, true) }, { $0.warmUp = 3 }, { $0.warmUp = -1 },
            { ($0.warmUp, $0.schedule) = (1, .oneCycle) }, { $0.clip = -1 }, { $0.clip = .infinity },
            { $0.averaging = 1 }, { $0.momentum = 1 },
        ]
        for change in wrong {
            #expect(throws: RunError.self) { try TrainingLoopTests.configuration(also: change) }
        }
    }

    @Test func theSeedMatters() throws {
        let one = try TrainingLoopTests.train(try TrainingLoopTests.configuration(epochs: 1, seed: 1))
        let two = try TrainingLoopTests.train(try TrainingLoopTests.configuration(epochs: 1, seed: 2))
        #expect(one.finish.weightHash != two.finish.weightHash)
    }

    @Test func withoutValidationTheLastWeightsAreTheBest() throws {
        let result = try TrainingLoopTests.train(try TrainingLoopTests.configuration(validationFraction: 0))
        #expect(result.finish.bestEpoch == 3)
        #expect(result.finish.bestWeightHash == result.finish.weightHash)
        #expect(result.finish.bestValidationAccuracy == nil)
    }

    @Test func divergenceNamesTheStep() throws {
        let configuration = try TrainingLoopTests.configuration(learningRate: 1e30)
        let error = #expect(throws: RunError.self) { try TrainingLoopTests.train(configuration) }
        guard case .diverged(let divergence) = error else {
            Issue.record("expected divergence, found \(String(describing: error))")
            return
        }
        #expect(divergence.epoch == 1)
        #expect(divergence.step >= 2)
        #expect(divergence.place != nil)
        #expect(error?.description.contains("--learning-rate") == true)
        #expect(error?.description.contains("--clip") == true)
    }

    /// However fast it goes: the layer is named, also where every layer is finite still and only the loss is not.
    @Test(arguments: [1e4, 1e8, 1e12, 1e16, 1e18, 1e24, 1e30] as [Float], [ExecutorKind.portable, .accelerated])
    func divergenceNamesTheLayer(learningRate: Float, executor: ExecutorKind) throws {
        let configuration = try TrainingLoopTests.configuration(learningRate: learningRate, executor: executor)
        let error = #expect(throws: RunError.self) { try TrainingLoopTests.train(configuration) }
        guard case .diverged(let divergence) = error else {
            Issue.record("expected divergence, found \(String(describing: error))")
            return
        }
        #expect((divergence.place != nil) == (divergence.loss == nil))
        #expect(divergence.loss != nil || divergence.description.contains("layer "))
    }

    /// The disk is full when the position is saved: a clear error, and the checkpoint before is intact.
    @Test func aFullDiskKeepsTheLastCheckpoint() throws {
        let configuration = try TrainingLoopTests.configuration()
        let temporary = try TemporaryFolder()
        let path = temporary.path + "/run"
        let run = try RunFolder.create(path, configuration: configuration, force: false)
        let first = try TrainingLoop(
            configuration, dataset: TrainingLoopTests.dataset, folder: run, workers: .serial)
        var steps = 0
        _ = try first.run(shouldStop: { steps >= 3 }) { if case .step = $0 { steps += 1 } }
        let before = try #require(try run.load(.last, for: configuration))
        let (full, _) = try RunFolder.open(path, file: AtomicFile(write: CheckpointTests.fillsUp))
        let second = try TrainingLoop(
            configuration, dataset: TrainingLoopTests.dataset, folder: full, checkpoint: before,
            workers: .serial)
        let error = #expect(throws: RunError.self) { try second.run(shouldStop: { true }) { _ in } }
        #expect(error?.description.contains("No space left") == true)
        #expect(try run.load(.last, for: configuration) == before)
    }
}
