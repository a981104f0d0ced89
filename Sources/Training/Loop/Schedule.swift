import NeuralNetwork

/// How the learning rate changes over a run, as it is said on the command line: in epochs, not steps.
public enum Schedule: Equatable, Sendable {
    case constant
    /// Half a cosine from 1 down to 0.
    case cosine
    /// Up in the first 3/10 of the steps, then down to nearly nothing.
    case oneCycle
    /// Times `factor` after every `epochs` epochs.
    case step(epochs: Int, factor: Float)

    /// The factors of a run of `total` steps, of which the first `warmUp` rise from a tenth in a line.
    public func factors(total: Int, stepsPerEpoch: Int, warmUp: Int = 0) -> LearningRateSchedule {
        let rest = max(total - warmUp, 1)
        let after: LearningRateSchedule =
            switch self {
            case .constant: .constant
            case .cosine: .cosine(steps: rest)
            case .oneCycle: .oneCycle(steps: rest)
            case .step(let epochs, let factor): .step(every: max(stepsPerEpoch * epochs, 1), factor: factor)
            }
        return warmUp > 0 ? .warmUp(steps: warmUp, then: after) : after
    }
}

extension Schedule: Codable, CustomStringConvertible {
    /// `constant`, `cosine`, `one-cycle` or `step:EPOCHS:FACTOR`, as on the command line.
    public var description: String {
        switch self {
        case .constant: "constant"
        case .cosine: "cosine"
        case .oneCycle: "one-cycle"
        case .step(let epochs, let factor): "step:\(epochs):\(factor)"
        }
    }

    public init?(_ text: String) {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        switch (fields.first, fields.count) {
        case ("constant", 1): self = .constant
        case ("cosine", 1): self = .cosine
        case ("one-cycle", 1): self = .oneCycle
        case ("step", 3):
            guard let epochs = Int(fields[1]), (1...Hyperparameters.mostEpochs).contains(epochs), let factor = Float(fields[2]), factor > 0,
                factor <= 1
            else { return nil }
            self = .step(epochs: epochs, factor: factor)
        default: return nil
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let schedule = Schedule(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "unknown schedule")
        }
        self = schedule
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
