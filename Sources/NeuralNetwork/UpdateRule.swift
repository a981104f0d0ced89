/// One of the rules, chosen when the program runs.
public enum UpdateRule: Optimizer, Equatable {
    case sgd(SGD)
    case adam(Adam)
    case averagedSGD(Averaging<SGD>)
    case averagedAdam(Averaging<Adam>)

    /// The same rule that also keeps a moving average of the parameters.
    public func averaging(decay: Float) -> UpdateRule {
        switch self {
        case .sgd(let rule): .averagedSGD(Averaging(rule, decay: decay))
        case .adam(let rule): .averagedAdam(Averaging(rule, decay: decay))
        case .averagedSGD(let rule): .averagedSGD(Averaging(rule.base, decay: decay))
        case .averagedAdam(let rule): .averagedAdam(Averaging(rule.base, decay: decay))
        }
    }

    /// The averaged parameters in the optimizer state of a learner, or nil when the rule keeps none.
    public func averages(in optimizerState: [[Float]]) -> [[Float]]? {
        switch self {
        case .sgd, .adam: nil
        case .averagedSGD(let rule): rule.averages(in: optimizerState)
        case .averagedAdam(let rule): rule.averages(in: optimizerState)
        }
    }

    public var learningRate: Float {
        get {
            switch self {
            case .sgd(let rule): rule.learningRate
            case .adam(let rule): rule.learningRate
            case .averagedSGD(let rule): rule.learningRate
            case .averagedAdam(let rule): rule.learningRate
            }
        }
        set {
            switch self {
            case .sgd(var rule):
                rule.learningRate = newValue
                self = .sgd(rule)
            case .adam(var rule):
                rule.learningRate = newValue
                self = .adam(rule)
            case .averagedSGD(var rule):
                rule.learningRate = newValue
                self = .averagedSGD(rule)
            case .averagedAdam(var rule):
                rule.learningRate = newValue
                self = .averagedAdam(rule)
            }
        }
    }

    public var stateSlots: Int {
        switch self {
        case .sgd(let rule): rule.stateSlots
        case .adam(let rule): rule.stateSlots
        case .averagedSGD(let rule): rule.stateSlots
        case .averagedAdam(let rule): rule.stateSlots
        }
    }

    public func update(
        _ parameter: UnsafeMutableBufferPointer<Float>, gradient: UnsafePointer<Float>,
        state: UnsafeMutablePointer<Float>, step: Int
    ) {
        switch self {
        case .sgd(let rule): rule.update(parameter, gradient: gradient, state: state, step: step)
        case .adam(let rule): rule.update(parameter, gradient: gradient, state: state, step: step)
        case .averagedSGD(let rule): rule.update(parameter, gradient: gradient, state: state, step: step)
        case .averagedAdam(let rule): rule.update(parameter, gradient: gradient, state: state, step: step)
        }
    }
}
