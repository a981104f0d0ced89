import NeuralNetwork

/// A network with settings that go well together, for those who do not want to choose.
public enum TrainingPreset: String, Sendable, Codable, CaseIterable {
    /// A good network in a few minutes.
    case fast
    /// The most accurate one in well under an hour.
    case best
    /// The most accurate one that fits 100 kB as an int8 file.
    case compact
    /// The most accurate one that fits 25 kB as an int8 file.
    case tiny

    public var model: Preset {
        switch self {
        case .fast: .convnet
        case .best: .resnet20
        case .compact: .compact
        case .tiny: .tiny
        }
    }

    public var hyperparameters: Hyperparameters {
        var hyper = Hyperparameters()
        hyper.batch = 128
        hyper.nesterov = true
        hyper.weightDecay = 0.0005
        hyper.schedule = .oneCycle
        hyper.augmentation.cropPadding = 2
        hyper.augmentation.flips = true
        switch self {
        case .fast:
            hyper.epochs = 30
            hyper.learningRate = 0.05
            hyper.labelSmoothing = 0.05
        case .best:
            hyper.epochs = 50
            hyper.learningRate = 0.1
            hyper.augmentation.erasing = 0.25
            hyper.labelSmoothing = 0.05
        case .compact:
            hyper.epochs = 40
            hyper.learningRate = 0.1
            hyper.augmentation.erasing = 0.25
        case .tiny:
            hyper.epochs = 40
            hyper.learningRate = 0.1
            hyper.weightDecay = 0.0003
        }
        return hyper
    }
}
