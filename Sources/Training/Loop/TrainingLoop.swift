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
    /// What this process sees of the images held back.
    private let validation: LabelledImages
    private let split: Split
    private let folder: RunFolder?
    private let workers: Workers
    private let collective: any Collective
    private let exchanger: StepExchanger
    private let saveEverySteps: Int
    /// Images of a step: of this process, and of all.
    private let batch: Int
    private let wholeBatch: Int
    private let source: BatchSource
    private let learner: any TrainingEngine<UpdateRule>
    private let factors: LearningRateSchedule
    private let classifier: FloatClassifier
    private let resumed: Checkpoint?

    private var hyper: Hyperparameters { configuration.hyperparameters }
    private var stepsPerEpoch: Int { (split.train.count + wholeBatch - 1) / wholeBatch }

    /// - Parameters:
    ///   - folder: keeps the run; of several processes only the first has one, the others keep nothing.
    ///   - checkpoint: where to go on; nil starts from initial weights.
    ///   - saveEverySteps: also save `last` after that many steps; 0 saves at the end of epochs only.
    ///   - collective: the processes that train together; each begins from the same checkpoint, or none.
    public init(
        _ configuration: RunConfiguration, dataset: Dataset, folder: RunFolder?, checkpoint: Checkpoint? = nil,
        workers: Workers, saveEverySteps: Int = 0, collective: any Collective = Alone()
    ) throws(RunError) {
        self.configuration = configuration
        self.folder = folder
        self.workers = workers
        self.saveEverySteps = saveEverySteps
        self.collective = collective
        exchanger = StepExchanger(collective)
        resumed = checkpoint
        images = dataset.train
        let hyper = configuration.hyperparameters
        split = Split(
            targets: images.targets, validationFraction: hyper.validationFraction, seed: hyper.seed)
        let held = split.validation
        validation = images.subset(Array(held[collective.part(of: held.indices)]))
        batch = min(hyper.batch, (split.train.count + collective.count - 1) / collective.count)
        wholeBatch = min(hyper.batch * collective.count, split.train.count)
        source = BatchSource(
            images, indexes: split.train, classes: dataset.labels.count, hyperparameters: hyper,
            zeroPoints: configuration.zeroPoints)
        let architecture = try configuration.network.architecture()
        let executor = configuration.executor ?? .portable
        let network = try Engines.network(architecture)
        // Each process has its own dropout.
        learner = try Engines.learner(
            executor, network, configuration.preprocessing, batch: batch,
            optimizer: hyper.rule, seed: Seeds.derive(hyper.seed, .parameters, index: collective.rank),
            workers: workers)
        learner.options = hyper.stepOptions
        factors = hyper.factors(stepsPerEpoch: (split.train.count + wholeBatch - 1) / wholeBatch)
        classifier = try FloatClassifier(
            architecture: architecture, preprocessing: configuration.preprocessing, parameters: [],
            workers: workers, executor: executor)
        if checkpoint == nil, configuration.startingWeights != nil {
            throw .notARun(
                folder: folder?.path ?? "the run",
                reason: "checkpoints/last.ckpt with the weights it begins with is gone")
        }
        if collective.count > 1 { try join(network) }
        guard let checkpoint else { return }
        let header = checkpoint.header
        do {
            // Weights that came from elsewhere have not moved yet.
            try learner.restore(
                parameters: checkpoint.parameters,
                optimizerState: checkpoint.optimizerState.isEmpty ? learner.optimizerState : checkpoint.optimizerState,
                steps: header.epoch * stepsPerEpoch + header.step)
        } catch {
            throw .invalid(error.explanation)
        }
    }

    /// Begins with the weights of the first process and takes steps with all.
    private func join(_ network: Network) throws(RunError) {
        guard collective.agree(on: learner.gradientOrder) else {
            throw .processes(
                "the processes keep gradients in different orders, as on different machines or with different "
                    + "--threads; use --executor portable")
        }
        do {
            try learner.restore(
                parameters: network.initialParameters(seed: Seeds.derive(hyper.seed, .parameters)),
                optimizerState: learner.optimizerState, state: learner.state, steps: 0)
        } catch {
            throw .invalid(error.explanation)
        }
        learner.exchange = { [exchanger] in exchanger.exchange($0, &$1) }
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
                    trainImages: split.train.count, validationImages: split.validation.count, epochs: hyper.epochs,
                    stepsPerEpoch: stepsPerEpoch, resumedEpoch: progress.epoch, resumedStep: progress.step,
                    processes: configuration.processes)),
            observe)
        let clock = ContinuousClock()
        let start = clock.now
        while progress.epoch < hyper.epochs, !hasStalled(progress) {
            let epochStart = clock.now
            let firstStep = progress.step
            guard try train(&progress, shouldStop: shouldStop, observe: observe) else { return .interrupted }
            let seconds = (clock.now - epochStart) / .seconds(1)
            let seen = split.train.count - firstStep * wholeBatch
            try finishEpoch(&progress, seconds: seconds, imagesSeen: seen, observe: observe)
            if isAskedToStop(shouldStop), progress.epoch < hyper.epochs, !hasStalled(progress) {
                try emit(.interrupted(epoch: progress.epoch + 1, step: 0), observe)
                return .interrupted
            }
        }
        let best = try folder?.load(.best, for: configuration)
        let finish = TrainingEvent.Finish(
            epochs: progress.epoch, bestEpoch: progress.bestEpoch,
            bestValidationAccuracy: split.validation.count == 0
                ? nil : Double(progress.bestCorrect) / Double(split.validation.count),
            weightHash: hexadecimal(weightHash(of: learner.variables)),
            bestWeightHash: hexadecimal(weightHash(of: best?.parameters ?? learner.variables)),
            seconds: (clock.now - start) / .seconds(1), stoppedEarly: hasStalled(progress) ? true : nil)
        try emit(.finished(finish), observe)
        return .finished(finish)
    }

    /// Whether the validation result has not become better for as long as the settings bear with it.
    private func hasStalled(_ progress: Progress) -> Bool {
        hyper.patience > 0 && progress.epoch < hyper.epochs
            && progress.epoch - progress.bestEpoch >= hyper.patience
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
        let total = stepsPerEpoch
        let loader = BatchLoader(
            source, epoch: progress.epoch, from: progress.step, batch: batch, ahead: workers.count + 1,
            collective: collective)
        while progress.step < total, let loaded = loader.next() {
            let before = progress.step * wholeBatch
            let images = min(before + wholeBatch, split.train.count)
            exchanger.images = images - before
            exchanger.isAskedToStop = collective.count > 1 && shouldStop()
            let result = try step(loaded, progress)
            progress.step += 1
            progress.lossSum += Double(result.loss)
            progress.correct += result.correct
            observe(
                .step(
                    .init(
                        epoch: progress.epoch + 1, step: progress.step, stepsPerEpoch: total,
                        images: images,
                        loss: result.loss, meanLoss: progress.lossSum / Double(progress.step),
                        accuracy: Double(progress.correct) / Double(images),
                        learningRate: learner.optimizer.learningRate)))
            try checkForDivergence(progress)
            guard progress.step < total else { break }
            if isAskedToStop(shouldStop) {
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

    private func step(_ loaded: Batch, _ progress: Progress) throws(RunError) -> StepResult {
        let done = progress.epoch * stepsPerEpoch + progress.step
        learner.optimizer.learningRate = hyper.learningRate * factors.factor(at: done)
        do {
            return try learner.step(loaded)
        } catch .notFinite {
            let own = exchanger.isOwnLossFinite && collective.count > 1 ? nil
                : try Divergence.place(
                    in: learner.network, configuration.preprocessing, parameters: learner.variables,
                    pixels: loaded.pixels)
            let place = Divergence.Place.first(own, collective) { learner.network.layerName($0) }
            throw .diverged(divergence(progress, step: progress.step + 1, loss: nil, place: place))
        } catch {
            throw .invalid(error.explanation)
        }
    }

    /// Whether to stop after this step; of several processes all do or none does.
    private func isAskedToStop(_ shouldStop: () -> Bool) -> Bool {
        collective.count > 1 ? exchanger.stops : shouldStop()
    }

    /// Stops a run whose loss is finite but far above what guessing gives.
    private func checkForDivergence(_ progress: Progress) throws(RunError) {
        guard progress.step == stepsPerEpoch || (progress.step >= 50 && progress.step % 10 == 0) else {
            return
        }
        let mean = progress.lossSum / Double(progress.step)
        let classes = Float(configuration.labels.count)
        guard mean > 10 * Double(Scalar.log(max(classes, 2))) else { return }
        throw .diverged(divergence(progress, step: progress.step, loss: mean, place: nil))
    }

    private func divergence(
        _ progress: Progress, step: Int, loss: Double?, place: Divergence.Place?
    ) -> Divergence {
        Divergence(
            epoch: progress.epoch + 1, step: step, learningRate: learner.optimizer.learningRate,
            baseRate: hyper.learningRate, loss: loss, place: place)
    }

    /// What is validated and kept as the best: the averaged weights where they are kept, else the weights.
    private var weightsInUse: [[Float]] {
        learner.optimizer.averages(in: learner.optimizerState).map { $0 + learner.state } ?? learner.variables
    }

    /// Validates, decides whether these are the best weights so far, and saves.
    private func finishEpoch(
        _ progress: inout Progress, seconds: Double, imagesSeen: Int, observe: (TrainingEvent) -> Void
    ) throws(RunError) {
        var result: Evaluation?
        if split.validation.count > 0 {
            classifier.parameters = weightsInUse
            result = try classifier.evaluate(validation).together(collective)
        }
        let trainLoss = progress.lossSum / Double(stepsPerEpoch)
        let trainAccuracy = Double(progress.correct) / Double(split.train.count)
        progress.epoch += 1
        progress.step = 0
        progress.lossSum = 0
        progress.correct = 0
        // Without validation the last weights count as the best.
        guard collective.count == 1 || collective.agree(on: weightHash(of: learner.variables)) else {
            throw .processes("the processes do not have the same weights any more; what was saved before is kept")
        }
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
        if case .step = event {} else { try folder?.log(event.json) }
        observe(event)
    }

    private func save(
        _ progress: Progress, as slot: RunFolder.Slot, _ observe: (TrainingEvent) -> Void
    ) throws(RunError) {
        guard let folder else { return }
        let header = Checkpoint.Header(
            toolkitVersion: configuration.toolkitVersion, network: configuration.network.summary,
            datasetHash: configuration.dataset.sha256, seed: hyper.seed, epoch: progress.epoch,
            step: progress.step, lossSum: progress.lossSum, correct: progress.correct,
            bestEpoch: progress.bestEpoch, bestCorrect: progress.bestCorrect)
        let checkpoint = Checkpoint(
            header: header, parameters: slot == .best ? weightsInUse : learner.variables,
            optimizerState: learner.optimizerState)
        try folder.save(checkpoint, as: slot)
        try emit(.saved(slot: slot, epoch: progress.epoch, step: progress.step), observe)
    }
}
