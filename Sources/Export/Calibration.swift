/// How the largest activation that int8 should represent is chosen.
public enum CalibrationMethod: Equatable, Sendable, CustomStringConvertible {
    /// The largest value seen.
    case minMax
    /// The value below which this share of all values lies; more precision, a few values cut off.
    case percentile(Double)
    /// The range with the least squared error of rounding and cutting off together.
    case meanSquaredError

    /// What `--calibration auto` tries, in order of preference on equal results.
    public static let candidates: [CalibrationMethod] = [
        .minMax, .percentile(0.9999), .percentile(0.999), .meanSquaredError,
    ]

    public var description: String {
        switch self {
        case .minMax: "minmax"
        case .percentile(let share): "percentile:\(share)"
        case .meanSquaredError: "mse"
        }
    }

    /// `minmax`, `mse`, `percentile` or `percentile:0.999`.
    public init?(_ text: String) {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        switch (fields.first, fields.count) {
        case ("minmax", 1): self = .minMax
        case ("mse", 1): self = .meanSquaredError
        case ("percentile", 1): self = .percentile(0.9999)
        case ("percentile", 2):
            guard let share = Double(fields[1]), share > 0.5, share <= 1 else { return nil }
            self = .percentile(share)
        default: return nil
        }
    }
}

/// How the magnitudes of one layer's outputs are distributed over the calibration images.
public struct ActivationHistogram: Equatable, Sendable {
    /// The largest magnitude seen, the upper end of the last bin.
    public private(set) var maximum: Float
    /// Equal bins from 0 to `maximum`.
    public private(set) var bins: [Int]
    public private(set) var count = 0

    /// Whether no bin would be wide enough to be told from zero: then all values count as zero.
    private var isZero: Bool { !(Float(bins.count) / maximum).isFinite }

    public init(maximum: Float, bins: Int = 4096) {
        self.maximum = maximum
        self.bins = [Int](repeating: 0, count: bins)
    }

    /// Counts magnitudes of `values`; with `relu` negative values count as zero.
    public mutating func add(_ values: UnsafeBufferPointer<Float>, relu: Bool) {
        count += values.count
        guard !isZero else {
            bins[0] += values.count
            return
        }
        let scale = Float(bins.count) / maximum
        let last = bins.count - 1
        bins.withUnsafeMutableBufferPointer { bins in
            for value in values {
                let magnitude = relu ? max(value, 0) : abs(value)
                bins[min(Int(magnitude * scale), last)] += 1
            }
        }
    }

    /// The magnitude that becomes the largest of `levels` steps; never zero.
    public func range(_ method: CalibrationMethod, levels: Int) -> Float {
        guard !isZero, count > 0 else { return 1 }
        switch method {
        case .minMax: return maximum
        case .percentile(let share):
            let wanted = Int((Double(count) * share).rounded(.up))
            var seen = 0
            for (index, bin) in bins.enumerated() {
                seen += bin
                if seen >= wanted { return upperEnd(index) }
            }
            return maximum
        case .meanSquaredError:
            // Cutting off below an eighth of the maximum never pays; 1 % steps are finer than the result needs.
            let candidates = stride(from: bins.count / 8, through: bins.count, by: max(bins.count / 100, 1))
            let best = candidates.min { squaredError($0, levels) < squaredError($1, levels) }
            return upperEnd((best ?? bins.count) - 1)
        }
    }

    private func upperEnd(_ bin: Int) -> Float { maximum * Float(bin + 1) / Float(bins.count) }

    /// The summed squared error, in squared bins, when the range ends after `kept` bins.
    private func squaredError(_ kept: Int, _ levels: Int) -> Double {
        let step = Double(kept) / Double(levels)
        // A value spread evenly over a rounding step has variance step² / 12; exact zeros have no error.
        var error = 0.0
        for (index, bin) in bins.enumerated().dropFirst() where bin > 0 {
            let over = max(Double(index) + 0.5 - Double(kept), 0)
            error += Double(bin) * (over > 0 ? over * over : step * step / 12)
        }
        return error
    }
}
