/// Seeded random numbers that are the same on every machine and in every version of this toolkit.
///
/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
/// The transforms are our own because the standard library does not promise to keep its algorithms.
public struct SplitMix64: RandomNumberGenerator, Equatable, Sendable {
    /// Everything there is to save and restore.
    public var state: UInt64

    public init(seed: UInt64) { state = seed }

    /// 64 uniform bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A multiple of 2⁻²⁴ in [0, 1).
    public mutating func uniform() -> Float {
        Float(Int32(truncatingIfNeeded: next() >> 40)) * (1.0 / 16_777_216.0)
    }

    /// A number with mean 0 and variance 1 (Marsaglia's polar method; the second of each pair is dropped,
    /// so that `state` is all the state).
    public mutating func normal() -> Float {
        while true {
            let u = uniform() * 2 - 1
            let v = uniform() * 2 - 1
            let square = u * u + v * v
            if square > 0 && square < 1 {
                return u * (-2 * Scalar.log(square) / square).squareRoot()
            }
        }
    }

    /// An index in `0 ..< bound`, without bias (Lemire, "Fast random integer generation in an interval", 2019).
    public mutating func index(below bound: Int) -> Int {
        precondition(bound > 0, "bound must be positive")
        let range = UInt64(bound)
        var product = next().multipliedFullWidth(by: range)
        if product.low < range {
            let threshold = (0 &- range) % range
            while product.low < threshold { product = next().multipliedFullWidth(by: range) }
        }
        return Int(product.high)
    }

    /// Puts the elements in uniformly random order (Fisher-Yates, from the end).
    public mutating func shuffle(_ elements: inout [Int32]) {
        var last = elements.count - 1
        while last > 0 {
            elements.swapAt(last, index(below: last + 1))
            last -= 1
        }
    }
}
