import Kernels

/// A rule that moves parameters against their gradients.
public protocol Optimizer: Sendable {
    /// May change between steps.
    var learningRate: Float { get set }

    /// Numbers remembered for each number of a parameter, zero at the start.
    var stateSlots: Int { get }

    /// Moves one parameter.
    ///
    /// - Parameters:
    ///   - state: `stateSlots` arrays of the length of the parameter, one after the other.
    ///   - step: how many steps came before.
    func update(
        _ parameter: UnsafeMutableBufferPointer<Float>, gradient: UnsafePointer<Float>,
        state: UnsafeMutablePointer<Float>, step: Int)
}

/// Stochastic gradient descent with momentum, weight decay and Nesterov's variant, as PyTorch defines them.
///
/// g ← g + weightDecay·p; v ← momentum·v + g; p ← p − learningRate·(nesterov ? g + momentum·v : v).
public struct SGD: Optimizer, Equatable {
    public var learningRate: Float
    public var momentum: Float
    public var weightDecay: Float
    public var nesterov: Bool

    public init(learningRate: Float, momentum: Float = 0, weightDecay: Float = 0, nesterov: Bool = false) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.nesterov = nesterov
    }

    /// The velocity.
    public var stateSlots: Int { 1 }

    public func update(
        _ parameter: UnsafeMutableBufferPointer<Float>, gradient: UnsafePointer<Float>,
        state: UnsafeMutablePointer<Float>, step: Int
    ) {
        guard let p = parameter.baseAddress else { return }
        for i in 0..<parameter.count {
            let g = gradient[i] + weightDecay * p[i]
            let v = momentum * state[i] + g
            state[i] = v
            p[i] -= learningRate * (nesterov ? g + momentum * v : v)
        }
    }
}
