import Kernels
import NeuralNetwork

/// Trains one run from its configuration, from the start or from a checkpoint, to the same bits either way.
public final class TrainingLoop {
    public enum Outcome: Equatable, Sendable {
        case finished(TrainingEvent.Finish)
        case interrupted
    }

    private let configuration: RunConfiguration
    private let images: LabelledImages
    private let validation: LabelledImages
    private let split: Split
    private let folder: RunFolder
    private let workers: Workers
    private let saveEverySteps: Int
    private let learner: Learner<SGD>
    private let resumed: Checkpoint?

    private var hyper: Hyperparameters { configuration.hyperparameters }
    private var stepsPerEpoch: Int { (split.train.count + learner.batch - 1) / learner.batch }

    /// - Parameters:
    ///   - checkpoint: where to go on; nil starts from initial weights.
    ///   - saveEverySteps: also save `last` after that many steps; 0 saves at the end of epochs only.
    public init(
        _ configuration: RunConfiguration, dataset: Dataset, folder: RunFolder, checkpoint: Checkpoint? = nil,
        workers: Workers, saveEverySteps: Int = 0
    ) throws(RunError) {
        self.configuration = configuration
        self.folder = folder
        self.workers = workers
        self.saveEverySteps = saveEverySteps
        resumed = checkpoint
        images = dataset.train
        let hyper = configuration.hyperparameters
        split = Split(
            targets: images.targets, validationFraction: hyper.validationFraction, seed: hyper.seed)
        validation = images.subset(split.validation)
        let optimizer = SGD(
            learningRate: hyper.learningRate, momentum: hyper.momentum, weightDecay: hyper.weightDecay,
            nesterov: hyper.nesterov)
        let architecture = try configuration.network.architecture()
        do {
            learner = try Learner(
                network: try Network(architecture), preprocessing: configuration.preprocessing,
                batch: min(hyper.batch, split.train.count), optimizer: optimizer,
                seed: Seeds.derive(hyper.seed, .parameters), workers: workers)
            if let checkpoint {
                let header = checkpoint.header
                let perEpoch = (split.train.count + learner.batch - 1) / learner.batch
                try learner.restore(
                    parameters: checkpoint.parameters, optimizerState: checkpoint.optimizerState,
                    steps: header.epoch * perEpoch + header.step)
            }
        } catch let error as NetworkError {
            throw .invalid(error.explanation)
        } catch let error as LearnerError {
            throw .invalid(error.explanation)
        } catch {
            throw .invalid("\(error)")
        }
    }

    /// Trains to the end, or until `shouldStop` says so after a step; the position is saved either way.
    public func run(
        shouldStop: () -> Bool = { false }, observe: (TrainingEvent) -> Void
    ) throws(RunError) -> Outcome {
        var progress = Progress(resumed?.header)
        try emit(
            .started(
                .init(
                    network: configuration.network.summary, parameters: learner.network.parameterCount,
                    trainImages: split.train.count, validationImages: validation.count, epochs: hyper.epochs,
                    stepsPerEpoch: stepsPerEpoch, resumedEpoch: progress.epoch, resumedStep: progress.step)),
            observe)
        let clock = ContinuousClock()
        let start = clock.now
        while progress.epoch < hyper.epochs {
            let epochStart = clock.now
            let firstStep = progress.step
            guard try train(&progress, shouldStop: shouldStop, observe: observe) else { return .interrupted }
            let seconds = (clock.now - epochStart) / .seconds(1)
            let seen = split.train.count - firstStep * learner.batch
            try finishEpoch(&progress, seconds: seconds, imagesSeen: seen, observe: observe)
            if shouldStop(), progress.epoch < hyper.epochs {
                try emit(.interrupted(epoch: progress.epoch + 1, step: 0), observe)
                return .interrupted
            }
        }
        let best = try folder.load(.best, for: configuration)
        let finish = TrainingEvent.Finish(
            epochs: hyper.epochs, bestEpoch: progress.bestEpoch,
            bestValidationAccuracy: validation.count == 0
                ? nil : Double(progress.bestCorrect) / Double(validation.count),
            weightHash: hexadecimal(learner.weightHash()),
            bestWeightHash: hexadecimal(weightHash(of: best?.parameters ?? learner.parameters)),
            seconds: (clock.now - start) / .seconds(1))
        try emit(.finished(finish), observe)
        return .finished(finish)
    }

    /// Where the run is; what a checkpoint says besides the weights.
    private struct Progress {
        var epoch = 0
        var step = 0
        var lossSum = 0.0
        var correct = 0
        var bestEpoch = 0
        var bestCorrect = -1

        init(_ header: Checkpoint.Header?) {
            guard let header else { return }
            epoch = header.epoch
            step = header.step
            lossSum = header.lossSum
            correct = header.correct
            bestEpoch = header.bestEpoch
            bestCorrect = header.bestCorrect
        }
    }

    // MARK: One epoch

    /// The rest of the epoch under way; false when it was interrupted and saved.
    private func train(
        _ progress: inout Progress, shouldStop: () -> Bool, observe: (TrainingEvent) -> Void
    ) throws(RunError) -> Bool {
        var order = split.train
        var random = SplitMix64(seed: Seeds.derive(hyper.seed, .epochOrder, index: progress.epoch))
        random.shuffle(&order)
        var pixels = [UInt8](repeating: 0, count: learner.batch * images.geometry.byteCount)
        var classes = [UInt8](repeating: 0, count: learner.batch)
        let total = stepsPerEpoch
        while progress.step < total {
            let first = progress.step * learner.batch
            let indexes = order[first..<min(first + learner.batch, order.count)]
            let result = try step(indexes, pixels: &pixels, classes: &classes, progress)
            progress.step += 1
            progress.lossSum += Double(result.loss)
            progress.correct += result.correct
            observe(
                .step(
                    .init(
                        epoch: progress.epoch + 1, step: progress.step, stepsPerEpoch: total,
                        images: indexes.endIndex,
                        loss: result.loss, meanLoss: progress.lossSum / Double(progress.step),
                        accuracy: Double(progress.correct) / Double(indexes.endIndex),
                        learningRate: learner.optimizer.learningRate)))
            guard progress.step < total else { break }
            if shouldStop() {
                try save(progress, as: .last, observe)
                try emit(.interrupted(epoch: progress.epoch + 1, step: progress.step), observe)
                return false
            }
            if saveEverySteps > 0, progress.step % saveEverySteps == 0 {
                try save(progress, as: .last, observe)
            }
        }
        return true
    }

    private func step(
        _ indexes: ArraySlice<Int32>, pixels: inout [UInt8], classes: inout [UInt8], _ progress: Progress
    ) throws(RunError) -> StepResult {
        let done = progress.epoch * stepsPerEpoch + progress.step
        learner.optimizer.learningRate =
            hyper.learningRate
            * hyper.schedule.factor(
                step: done, total: hyper.epochs * stepsPerEpoch, stepsPerEpoch: stepsPerEpoch)
        do {
            return try pixels.withUnsafeMutableBufferPointer { pixels throws(LearnerError) in
                try classes.withUnsafeMutableBufferPointer { classes throws(LearnerError) in
                    images.gather(indexes, images: pixels, classes: classes)
                    let bytes = indexes.count * images.geometry.byteCount
                    return try learner.step(
                        pixels: UnsafeBufferPointer(rebasing: pixels[..<bytes]),
                        labels: UnsafeBufferPointer(rebasing: classes[..<indexes.count]))
                }
            }
        } catch .notFinite {
            throw .diverged(
                epoch: progress.epoch + 1, step: progress.step + 1,
                learningRate: learner.optimizer.learningRate)
        } catch {
            throw .invalid(error.explanation)
        }
    }

    /// Validates, decides whether these are the best weights so far, and saves.
    private func finishEpoch(
        _ progress: inout Progress, seconds: Double, imagesSeen: Int, observe: (TrainingEvent) -> Void
    ) throws(RunError) {
        var result: Evaluation?
        if validation.count > 0 {
            let classifier = try FloatClassifier(
                architecture: learner.network.architecture, preprocessing: configuration.preprocessing,
                parameters: learner.parameters, workers: workers)
            result = try classifier.evaluate(validation)
        }
        let trainLoss = progress.lossSum / Double(stepsPerEpoch)
        let trainAccuracy = Double(progress.correct) / Double(split.train.count)
        progress.epoch += 1
        progress.step = 0
        progress.lossSum = 0
        progress.correct = 0
        // Without validation the last weights count as the best.
        let isBest = result.map { $0.correct > progress.bestCorrect } ?? true
        if isBest {
            progress.bestEpoch = progress.epoch
            progress.bestCorrect = result?.correct ?? 0
            try save(progress, as: .best, observe)
        }
        try save(progress, as: .last, observe)
        try emit(
            .epoch(
                .init(
                    epoch: progress.epoch, epochs: hyper.epochs, trainLoss: trainLoss,
                    trainAccuracy: trainAccuracy,
                    validationLoss: result?.loss, validationAccuracy: result?.accuracy, best: isBest,
                    imagesPerSecond: seconds > 0 ? Double(imagesSeen) / seconds : nil, seconds: seconds)),
            observe)
    }

    /// Puts the event into the log of the run, steps apart, and tells the observer.
    private func emit(_ event: TrainingEvent, _ observe: (TrainingEvent) -> Void) throws(RunError) {
        if case .step = event {} else { try folder.log(event.json) }
        observe(event)
    }

    private func save(
        _ progress: Progress, as slot: RunFolder.Slot, _ observe: (TrainingEvent) -> Void
    ) throws(RunError) {
        let header = Checkpoint.Header(
            toolkitVersion: configuration.toolkitVersion, network: configuration.network.summary,
            datasetHash: configuration.dataset.sha256, seed: hyper.seed, epoch: progress.epoch,
            step: progress.step, lossSum: progress.lossSum, correct: progress.correct,
            bestEpoch: progress.bestEpoch, bestCorrect: progress.bestCorrect)
        let checkpoint = Checkpoint(
            header: header, parameters: learner.parameters, optimizerState: learner.optimizerState)
        try folder.save(checkpoint, as: slot)
        try emit(.saved(slot: slot, epoch: progress.epoch, step: progress.step), observe)
    }
}
