import Kernels

/// Adam (Kingma and Ba, 2015), and AdamW (Loshchilov and Hutter, 2019) when decay is decoupled, as PyTorch defines them.
///
/// m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; p ← p − learningRate·m̂/(√v̂ + epsilon), with m̂ = m/(1 − β₁ᵗ) and
/// v̂ = v/(1 − β₂ᵗ). Weight decay is part of g, or, decoupled, p ← p·(1 − learningRate·weightDecay) comes first.
public struct Adam: Optimizer, Equatable {
    public var learningRate: Float
    public var beta1: Float
    public var beta2: Float
    public var epsilon: Float
    public var weightDecay: Float
    public var decoupled: Bool

    public init(
        learningRate: Float = 0.001, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8,
        weightDecay: Float = 0, decoupled: Bool = false
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.decoupled = decoupled
    }

    /// m and v.
    public var stateSlots: Int { 2 }

    public func update(
        _ parameter: UnsafeMutableBufferPointer<Float>, gradient: UnsafePointer<Float>,
        state: UnsafeMutablePointer<Float>, step: Int
    ) {
        guard let p = parameter.baseAddress else { return }
        let first = state
        let second = state + parameter.count
        let stepSize = Float(Double(learningRate) / (1 - Scalar.integerPower(Double(beta1), step + 1)))
        let correction = Float((1 - Scalar.integerPower(Double(beta2), step + 1)).squareRoot())
        let kept = decoupled ? 1 - learningRate * weightDecay : 1
        let coupled = decoupled ? 0 : weightDecay
        for i in 0..<parameter.count {
            let old = p[i] * kept
            let g = gradient[i] + coupled * old
            let m = beta1 * first[i] + (1 - beta1) * g
            let v = beta2 * second[i] + (1 - beta2) * g * g
            first[i] = m
            second[i] = v
            p[i] = old - stepSize * m / (v.squareRoot() / correction + epsilon)
        }
    }
}

/// Another rule with an exponential moving average of the parameters in the last slot of its state.
///
/// average ← decay·average + (1 − decay)·p after each step; the first step copies (Polyak and Juditsky, 1992; the
/// exponential form as in PyTorch's `AveragedModel`). The averages are kept, restored and laid out like all state.
public struct Averaging<Base: Optimizer>: Optimizer {
    public var base: Base
    public var decay: Float

    public init(_ base: Base, decay: Float) {
        self.base = base
        self.decay = decay
    }

    public var learningRate: Float {
        get { base.learningRate }
        set { base.learningRate = newValue }
    }

    public var stateSlots: Int { base.stateSlots + 1 }

    public func update(
        _ parameter: UnsafeMutableBufferPointer<Float>, gradient: UnsafePointer<Float>,
        state: UnsafeMutablePointer<Float>, step: Int
    ) {
        base.update(parameter, gradient: gradient, state: state, step: step)
        let average = state + base.stateSlots * parameter.count
        for i in 0..<parameter.count {
            average[i] = step == 0 ? parameter[i] : decay * average[i] + (1 - decay) * parameter[i]
        }
    }

    /// The averaged parameters, from the optimizer state of a learner; to be used in place of its parameters.
    public func averages(in optimizerState: [[Float]]) -> [[Float]] {
        optimizerState.map { Array($0.suffix($0.count / stateSlots)) }
    }
}

extension Averaging: Equatable where Base: Equatable {}
