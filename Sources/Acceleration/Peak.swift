import CAcceleration

/// What the arithmetic units of this machine give at most.
public enum Peak {
    /// Floating-point operations a second of `threads` threads together: the best of some short runs of multiplications
    /// and additions in registers.
    public static func flops(threads: Int) throws(AccelerationError) -> Double {
        let library = try Library(threads: threads)
        let rounds = 2_000_000
        var best = 0.0
        for _ in 0..<5 {
            let start = ContinuousClock.now
            library.parallel { _ in if deai_peak(rounds) == 0 { return } }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            best = max(best, Double(threads * rounds * 2 * 16 * 16) / seconds)
        }
        return best
    }
}
