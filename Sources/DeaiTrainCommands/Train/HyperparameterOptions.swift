import ArgumentParser
import Training

/// What may be chosen about a step of training; what is not given keeps its default, or the value of the resumed run.
struct StepChoices: ParsableArguments {
    @Option(help: "Images per step, under mpirun of each process. Default: 64.")
    var batch: Int?

    @Option(help: "sgd, adam or adamw. Default: sgd.")
    var optimizer: Hyperparameters.OptimizerKind?

    @Option(help: "Momentum; of adam and adamw the first beta. Default: 0.9.")
    var momentum: Float?

    @Option(help: "Weight decay. Default: 0.0001, for adamw 0.01.")
    var weightDecay: Float?

    @Flag(help: "Nesterov's variant of momentum.")
    var nesterov = false

    @Option(help: "Shorten gradients that are longer than this, all weights taken together; 0 never does. Default: 0.")
    var clip: Float?

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
        transform: StepChoices.augmentation)
    var augment: Augmentation?

    @Option(help: "Share of each target that is spread over all classes. Default: 0.")
    var labelSmoothing: Float?

    @Option(help: "none, or balanced: rare classes count more. Default: none.")
    var classWeights: Hyperparameters.ClassWeights?

    private static func augmentation(_ text: String) throws -> Augmentation {
        do {
            return try Augmentation(text)
        } catch {
            throw ValidationError(error.description)
        }
    }

    func applied(to base: Hyperparameters) -> Hyperparameters {
        var result = base
        result.batch = batch ?? base.batch
        if let optimizer, optimizer != base.optimizer {
            result.optimizer = optimizer
            result.learningRate = optimizer.usualLearningRate
            result.weightDecay = optimizer.usualWeightDecay
            if optimizer != .sgd { result.nesterov = false }
        }
        result.momentum = momentum ?? base.momentum
        result.weightDecay = weightDecay ?? result.weightDecay
        result.nesterov = nesterov || result.nesterov
        result.validationFraction = validationFraction ?? base.validationFraction
        result.seed = seed ?? base.seed
        result.augmentation = augment ?? base.augmentation
        result.labelSmoothing = labelSmoothing ?? base.labelSmoothing
        result.classWeights = classWeights ?? base.classWeights
        result.clip = clip ?? base.clip
        return result
    }
}

/// What may be chosen about the way from the first step to the last.
struct CourseChoices: ParsableArguments {
    @Option(help: "Passes over the training images. Default: 5.")
    var epochs: Int?

    @Option(help: "The highest learning rate. Default: 0.05, for adam and adamw 0.001.")
    var learningRate: Float?

    @Option(
        help:
            "How the learning rate goes on: constant, cosine, one-cycle or step:EPOCHS:FACTOR. Default: cosine."
    )
    var schedule: Schedule?

    @Option(help: "Epochs, or a part of one, in which the rate first rises from a tenth. Default: 0.")
    var warmup: Double?

    @Option(
        help: """
            Keep a moving average of the weights with this decay, such as 0.999; it is what is validated and kept as \
            the best. 0 keeps none. Default: 0.
            """)
    var ema: Float?

    @Option(help: "Stop after that many epochs without a better validation result; 0 never does. Default: 0.")
    var patience: Int?

    func applied(to base: Hyperparameters) -> Hyperparameters {
        var result = base
        result.epochs = epochs ?? base.epochs
        result.learningRate = learningRate ?? base.learningRate
        result.schedule = schedule ?? base.schedule
        result.warmUp = warmup ?? base.warmUp
        result.averaging = ema ?? base.averaging
        result.patience = patience ?? base.patience
        return result
    }
}

/// All that may be chosen about training.
struct HyperparameterOptions: ParsableArguments {
    @OptionGroup var course: CourseChoices
    @OptionGroup var step: StepChoices

    func applied(to base: Hyperparameters) -> Hyperparameters {
        // The optimizer brings a learning rate along, which the course may change.
        course.applied(to: step.applied(to: base))
    }

    /// The options given that differ from `run`, each with the value that the run has.
    func changes(from run: Hyperparameters) -> [String] {
        func change<Value: Equatable>(_ option: String, _ given: Value?, _ value: Value) -> String? {
            given == nil || given == value ? nil : "--\(option) is \(value)"
        }
        return [
            change("epochs", course.epochs, run.epochs), change("batch", step.batch, run.batch),
            change("learning-rate", course.learningRate, run.learningRate),
            change("schedule", course.schedule, run.schedule),
            change("momentum", step.momentum, run.momentum), change("weight-decay", step.weightDecay, run.weightDecay),
            change("nesterov", step.nesterov ? true : nil, run.nesterov),
            change("validation-fraction", step.validationFraction, run.validationFraction),
            change("seed", step.seed, run.seed), change("augment", step.augment, run.augmentation),
            change("label-smoothing", step.labelSmoothing, run.labelSmoothing),
            change("class-weights", step.classWeights, run.classWeights),
            change("patience", course.patience, run.patience), change("warmup", course.warmup, run.warmUp),
            change("optimizer", step.optimizer, run.optimizer), change("clip", step.clip, run.clip),
            change("ema", course.ema, run.averaging),
        ].compactMap { $0 }
    }
}

extension Schedule: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension Hyperparameters.ClassWeights: ExpressibleByArgument {}
extension Hyperparameters.OptimizerKind: ExpressibleByArgument {}
extension TrainingPreset: ExpressibleByArgument {}
extension ExecutorKind: ExpressibleByArgument {}
