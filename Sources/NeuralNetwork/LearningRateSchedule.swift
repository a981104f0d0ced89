import Kernels

/// The learning rate over a run as a factor of the base rate: a function of the step alone, the same bits everywhere.
public indirect enum LearningRateSchedule: Equatable, Sendable {
    case constant
    /// Multiplied by `factor` after every `every` steps.
    case step(every: Int, factor: Float)
    /// Half a cosine from 1 to `final` in `steps`, then `final` (Loshchilov and Hutter, 2017, without restarts).
    case cosine(steps: Int, final: Float = 0)
    /// From 1/`divisor` up to 1 in the share `rise` of `steps`, then down to 1/(divisor·finalDivisor), each half a
    /// cosine (Smith and Topin, "Super-convergence", 2018).
    case oneCycle(steps: Int, rise: Float = 0.3, divisor: Float = 25, finalDivisor: Float = 10_000)
    /// Linear from `start` to 1 in `steps`, then the other schedule from its own step 0.
    case warmUp(steps: Int, start: Float = 0.1, then: LearningRateSchedule)

    /// The factor of step `step`, counted from 0.
    public func factor(at step: Int) -> Float {
        switch self {
        case .constant: return 1
        case .step(let every, let factor):
            return Float(Scalar.integerPower(Double(factor), step / max(1, every)))
        case .cosine(let steps, let final):
            return Float(LearningRateSchedule.wave(from: 1, to: Double(final), Double(step) / Double(max(1, steps))))
        case .oneCycle(let steps, let rise, let divisor, let finalDivisor):
            let low = 1 / Double(divisor)
            let end = Double(max(2, steps)) - 1
            let top = min(max(Double(rise) * Double(max(2, steps)) - 1, 0), end - 0.5)
            if Double(step) <= top && top > 0 {
                return Float(LearningRateSchedule.wave(from: low, to: 1, Double(step) / top))
            }
            return Float(
                LearningRateSchedule.wave(from: 1, to: low / Double(finalDivisor), (Double(step) - top) / (end - top)))
        case .warmUp(let steps, let start, let then):
            if step >= steps { return then.factor(at: step - steps) }
            return Float(Double(start) + (1 - Double(start)) * Double(step) / Double(steps))
        }
    }

    /// Half a cosine; past its end, the end.
    private static func wave(from start: Double, to end: Double, _ share: Double) -> Double {
        end + (start - end) / 2 * (1 + Scalar.cosineOfHalfTurns(min(max(share, 0), 1)))
    }
}
