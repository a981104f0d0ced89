import NeuralNetwork

/// What a user may choose about a training run.
public struct Hyperparameters: Equatable, Sendable {
    public enum ClassWeights: String, Sendable, Codable, CaseIterable {
        case none
        /// Images / (classes · images of the class): every class counts the same in the loss.
        case balanced
    }

    /// The rule that moves the weights.
    public enum OptimizerKind: String, Sendable, Codable, CaseIterable {
        case sgd, adam, adamw

        /// What goes well when nothing is chosen.
        public var usualLearningRate: Float { self == .sgd ? 0.05 : 0.001 }
        public var usualWeightDecay: Float { self == .adamw ? 0.01 : 0.0001 }
    }

    public var epochs = 5
    public var batch = 64
    public var learningRate: Float = 0.05
    public var optimizer = OptimizerKind.sgd
    /// For Adam and AdamW, the decay of the mean of gradients.
    public var momentum: Float = 0.9
    public var weightDecay: Float = 0.0001
    public var nesterov = false
    public var schedule = Schedule.cosine
    /// Epochs (a part of one, too) in which the rate first rises from a tenth.
    public var warmUp: Double = 0
    /// Longest gradient of a step, all weights taken together; 0 takes any.
    public var clip: Float = 0
    /// Decay of the moving average of the weights that is validated and kept as the best; 0 keeps none.
    public var averaging: Float = 0
    public var validationFraction = 0.1
    public var seed: UInt64 = 1
    public var augmentation = Augmentation.none
    /// Share of each target that is spread evenly over all classes.
    public var labelSmoothing: Float = 0
    public var classWeights = ClassWeights.none
    /// Stops after that many epochs without a better validation result; 0 never does.
    public var patience = 0

    /// Steps of so many epochs are still counted in 64 bits.
    static let mostEpochs = 1_000_000

    public init() {}

    func validate() throws(RunError) {
        func require(_ condition: Bool, _ text: String) throws(RunError) {
            guard condition else { throw .invalid(text) }
        }
        try require(
            (1...Hyperparameters.mostEpochs).contains(epochs),
            "the number of epochs is \(epochs); it must be between 1 and \(Hyperparameters.mostEpochs)")
        try require((1...65_536).contains(batch), "the batch is \(batch); it must be between 1 and 65,536")
        try require(
            learningRate > 0 && learningRate.isFinite,
            "the learning rate is \(learningRate); it must be greater than 0")
        try require(
            (0..<1).contains(momentum), "the momentum is \(momentum); it must be at least 0 and less than 1")
        try require(
            weightDecay >= 0 && weightDecay.isFinite,
            "the weight decay is \(weightDecay); it must be at least 0")
        try require(
            (0...0.9).contains(validationFraction),
            "the validation fraction is \(validationFraction); it must be between 0 and 0.9")
        try require(
            (0..<1).contains(labelSmoothing),
            "the label smoothing is \(labelSmoothing); it must be at least 0 and less than 1")
        try require(
            optimizer == .sgd || !nesterov, "--nesterov is a variant of sgd; \(optimizer.rawValue) has none")
        try require(
            warmUp >= 0 && warmUp < Double(epochs),
            "the warm-up is \(warmUp) epochs; it must be at least 0 and less than the \(epochs) epochs of the run")
        try require(
            warmUp == 0 || schedule != .oneCycle, "one-cycle warms up by itself; leave out --warmup")
        try require(
            clip >= 0 && clip.isFinite, "the longest gradient is \(clip); it must be above 0, or 0 for any length")
        try require(
            (0..<1).contains(averaging), "the decay of averaging is \(averaging); it must be at least 0 and less than 1")
        try require(patience >= 0, "the patience is \(patience); it must be at least 0")
        try require(
            patience == 0 || validationFraction > 0,
            "early stopping needs validation images; give --validation-fraction or leave out --patience")
    }
}

extension Hyperparameters {
    /// The rule that moves the weights, with its settings.
    public var rule: UpdateRule {
        let rule: UpdateRule =
            switch optimizer {
            case .sgd:
                .sgd(
                    SGD(
                        learningRate: learningRate, momentum: momentum, weightDecay: weightDecay,
                        nesterov: nesterov))
            case .adam, .adamw:
                .adam(
                    Adam(
                        learningRate: learningRate, beta1: momentum, weightDecay: weightDecay,
                        decoupled: optimizer == .adamw))
            }
        return averaging > 0 ? rule.averaging(decay: averaging) : rule
    }

    /// What a step does besides; smoothing is part of the targets that it is given.
    var stepOptions: StepOptions { StepOptions(maximumGradientNorm: clip > 0 ? clip : nil) }

    /// The factors of the learning rate, step by step.
    func factors(stepsPerEpoch: Int) -> LearningRateSchedule {
        schedule.factors(
            total: epochs * stepsPerEpoch, stepsPerEpoch: stepsPerEpoch,
            warmUp: Int((warmUp * Double(stepsPerEpoch)).rounded()))
    }

    /// Every setting by the name of its option, as text.
    public var settings: [(name: String, value: String)] {
        [
            ("epochs", "\(epochs)"), ("batch", "\(batch)"), ("learning-rate", "\(learningRate)"),
            ("schedule", "\(schedule)"), ("warmup", "\(warmUp)"), ("optimizer", optimizer.rawValue), ("momentum", "\(momentum)"), ("nesterov", "\(nesterov)"),
            ("weight-decay", "\(weightDecay)"), ("validation-fraction", "\(validationFraction)"),
            ("seed", "\(seed)"), ("augment", "\(augmentation)"), ("label-smoothing", "\(labelSmoothing)"),
            ("class-weights", classWeights.rawValue), ("patience", "\(patience)"),
            ("clip", "\(clip)"), ("ema", "\(averaging)"),
        ]
    }
}

extension Hyperparameters: Codable {
    private enum Key: String, CodingKey {
        case epochs, batch, learningRate, momentum, weightDecay, nesterov, schedule, validationFraction, seed
        case augmentation, labelSmoothing, classWeights, patience
        case optimizer, warmUp, clip, averaging
    }

    /// What came after the first version may be missing: then it was off.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        epochs = try container.decode(Int.self, forKey: .epochs)
        batch = try container.decode(Int.self, forKey: .batch)
        learningRate = try container.decode(Float.self, forKey: .learningRate)
        momentum = try container.decode(Float.self, forKey: .momentum)
        weightDecay = try container.decode(Float.self, forKey: .weightDecay)
        nesterov = try container.decode(Bool.self, forKey: .nesterov)
        schedule = try container.decode(Schedule.self, forKey: .schedule)
        validationFraction = try container.decode(Double.self, forKey: .validationFraction)
        seed = try container.decode(UInt64.self, forKey: .seed)
        augmentation = try container.decodeIfPresent(Augmentation.self, forKey: .augmentation) ?? .none
        labelSmoothing = try container.decodeIfPresent(Float.self, forKey: .labelSmoothing) ?? 0
        classWeights = try container.decodeIfPresent(ClassWeights.self, forKey: .classWeights) ?? .none
        patience = try container.decodeIfPresent(Int.self, forKey: .patience) ?? 0
        optimizer = try container.decodeIfPresent(OptimizerKind.self, forKey: .optimizer) ?? .sgd
        warmUp = try container.decodeIfPresent(Double.self, forKey: .warmUp) ?? 0
        clip = try container.decodeIfPresent(Float.self, forKey: .clip) ?? 0
        averaging = try container.decodeIfPresent(Float.self, forKey: .averaging) ?? 0
    }

    /// Writes what came later only where it is used, so that older toolkits read plain runs.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(epochs, forKey: .epochs)
        try container.encode(batch, forKey: .batch)
        try container.encode(learningRate, forKey: .learningRate)
        try container.encode(momentum, forKey: .momentum)
        try container.encode(weightDecay, forKey: .weightDecay)
        try container.encode(nesterov, forKey: .nesterov)
        try container.encode(schedule, forKey: .schedule)
        try container.encode(validationFraction, forKey: .validationFraction)
        try container.encode(seed, forKey: .seed)
        if augmentation != .none { try container.encode(augmentation, forKey: .augmentation) }
        if labelSmoothing > 0 { try container.encode(labelSmoothing, forKey: .labelSmoothing) }
        if classWeights != .none { try container.encode(classWeights, forKey: .classWeights) }
        if patience > 0 { try container.encode(patience, forKey: .patience) }
        if optimizer != .sgd { try container.encode(optimizer, forKey: .optimizer) }
        if warmUp > 0 { try container.encode(warmUp, forKey: .warmUp) }
        if clip > 0 { try container.encode(clip, forKey: .clip) }
        if averaging > 0 { try container.encode(averaging, forKey: .averaging) }
    }
}
