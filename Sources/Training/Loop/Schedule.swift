/// How the learning rate changes over a run, as a factor of the base rate.
public enum Schedule: Equatable, Sendable {
    case constant
    /// Half a cosine from 1 down to 0 (Loshchilov and Hutter 2017, without restarts).
    case cosine
    /// Half a cosine from 1/25 up to 1 in the first 3/10 of the steps, another down to 0 in the rest (Smith and Topin,
    /// "Super-Convergence", 2017).
    case oneCycle
    /// Times `factor` after every `epochs` epochs.
    case step(epochs: Int, factor: Float)

    /// The factor for step `step` (from 0) of `total`, with `stepsPerEpoch` steps in an epoch.
    public func factor(step: Int, total: Int, stepsPerEpoch: Int) -> Float {
        switch self {
        case .constant:
            return 1
        case .cosine:
            let progress = Double(step) / Double(max(total, 1))
            return Float(0.5 * (1 + Schedule.cosinePi(progress)))
        case .oneCycle:
            let progress = Double(step) / Double(max(total, 1))
            let rise = 0.3
            if progress < rise {
                return Float(1 - 0.48 * (1 + Schedule.cosinePi(progress / rise)))
            }
            return Float(0.5 * (1 + Schedule.cosinePi((progress - rise) / (1 - rise))))
        case .step(let epochs, let factor):
            let drops = step / max(stepsPerEpoch * epochs, 1)
            return (0..<drops).reduce(Float(1)) { product, _ in product * factor }
        }
    }

    /// cos(π·x) for 0 ≤ x ≤ 1 in IEEE operations only, so that a run repeats on any C library.
    static func cosinePi(_ x: Double) -> Double {
        // cos(πx) = sin(π(½ − x)), and the Taylor series of the sine is good to 1e-13 within ±π/2.
        let angle = Double.pi * (0.5 - x)
        let square = angle * angle
        var sum = 0.0
        for n in stride(from: 17, through: 3, by: -2) { sum = (1 + sum) * -square / Double(n * (n - 1)) }
        return angle * (1 + sum)
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
            guard let epochs = Int(fields[1]), epochs > 0, let factor = Float(fields[2]), factor > 0,
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
