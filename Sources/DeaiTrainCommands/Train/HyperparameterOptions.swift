import ArgumentParser
import Training

/// What may be chosen about training; what is not given keeps its default, or the value of the resumed run.
struct HyperparameterOptions: ParsableArguments {
    @Option(help: "Passes over the training images. Default: 5.")
    var epochs: Int?

    @Option(help: "Images per step. Default: 64.")
    var batch: Int?

    @Option(help: "Learning rate at the start. Default: 0.05.")
    var learningRate: Float?

    @Option(
        help:
            "How the learning rate goes on: constant, cosine, one-cycle or step:EPOCHS:FACTOR. Default: cosine."
    )
    var schedule: Schedule?

    @Option(help: "Momentum. Default: 0.9.")
    var momentum: Float?

    @Option(help: "Weight decay. Default: 0.0001.")
    var weightDecay: Float?

    @Flag(help: "Nesterov's variant of momentum.")
    var nesterov = false

    @Option(help: "Share of the training images held back for validation. Default: 0.1.")
    var validationFraction: Double?

    @Option(help: "Seed of the split, the initial weights and the order of images. Default: 1.")
    var seed: UInt64?

    @Option(
        help: """
            How training images are varied: none, or a list such as \
            crop:2,flip,rotate:10,scale:0.1,erase:0.25,brightness:0.1,contrast:0.1,mixup:0.2,cutmix:1. \
            Default: none.
            """,
        transform: HyperparameterOptions.augmentation)
    var augment: Augmentation?

    @Option(help: "Share of each target that is spread over all classes. Default: 0.")
    var labelSmoothing: Float?

    @Option(help: "none, or balanced: rare classes count more. Default: none.")
    var classWeights: Hyperparameters.ClassWeights?

    @Option(help: "Stop after that many epochs without a better validation result; 0 never does. Default: 0.")
    var patience: Int?

    private static func augmentation(_ text: String) throws -> Augmentation {
        do {
            return try Augmentation(text)
        } catch {
            throw ValidationError(error.description)
        }
    }

    func applied(to base: Hyperparameters) -> Hyperparameters {
        var result = base
        result.epochs = epochs ?? base.epochs
        result.batch = batch ?? base.batch
        result.learningRate = learningRate ?? base.learningRate
        result.schedule = schedule ?? base.schedule
        result.momentum = momentum ?? base.momentum
        result.weightDecay = weightDecay ?? base.weightDecay
        result.nesterov = nesterov || base.nesterov
        result.validationFraction = validationFraction ?? base.validationFraction
        result.seed = seed ?? base.seed
        result.augmentation = augment ?? base.augmentation
        result.labelSmoothing = labelSmoothing ?? base.labelSmoothing
        result.classWeights = classWeights ?? base.classWeights
        result.patience = patience ?? base.patience
        return result
    }

    /// The options given that differ from `run`, each with the value that the run has.
    func changes(from run: Hyperparameters) -> [String] {
        func change<Value: Equatable>(_ option: String, _ given: Value?, _ value: Value) -> String? {
            given == nil || given == value ? nil : "--\(option) is \(value)"
        }
        return [
            change("epochs", epochs, run.epochs), change("batch", batch, run.batch),
            change("learning-rate", learningRate, run.learningRate),
            change("schedule", schedule, run.schedule),
            change("momentum", momentum, run.momentum), change("weight-decay", weightDecay, run.weightDecay),
            change("nesterov", nesterov ? true : nil, run.nesterov),
            change("validation-fraction", validationFraction, run.validationFraction),
            change("seed", seed, run.seed), change("augment", augment, run.augmentation),
            change("label-smoothing", labelSmoothing, run.labelSmoothing),
            change("class-weights", classWeights, run.classWeights),
            change("patience", patience, run.patience),
        ].compactMap { $0 }
    }
}

extension Schedule: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension Hyperparameters.ClassWeights: ExpressibleByArgument {}
extension TrainingPreset: ExpressibleByArgument {}
extension ExecutorKind: ExpressibleByArgument {}
