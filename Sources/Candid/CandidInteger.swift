/// An integer without bounds: the value of `nat` and `int`.
public struct CandidInteger: Equatable, Sendable, ExpressibleByIntegerLiteral {
    public let isNegative: Bool
    /// The absolute value in 32-bit digits, least significant first, without leading zero digits.
    public let magnitude: [UInt32]

    public init(isNegative: Bool, magnitude: [UInt32]) {
        var digits = magnitude
        while let last = digits.last, last == 0 { digits.removeLast() }
        self.magnitude = digits
        self.isNegative = isNegative && !digits.isEmpty
    }

    public init(_ value: UInt64) {
        self.init(
            isNegative: false,
            magnitude: [UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32)])
    }

    public init(_ value: Int64) {
        let size = value.magnitude
        self.init(
            isNegative: value < 0,
            magnitude: [UInt32(truncatingIfNeeded: size), UInt32(truncatingIfNeeded: size >> 32)])
    }

    public init(integerLiteral value: Int64) {
        self.init(value)
    }

    /// The value, if it is between 0 and 2⁶⁴ − 1.
    public var asUInt64: UInt64? {
        guard !isNegative, magnitude.count <= 2 else { return nil }
        return low64
    }

    /// The value, if it fits.
    public var asInt64: Int64? {
        guard magnitude.count <= 2 else { return nil }
        if !isNegative { return Int64(exactly: low64) }
        return low64 <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- low64) : nil
    }

    private var low64: UInt64 {
        UInt64(magnitude.isEmpty ? 0 : magnitude[0]) | UInt64(magnitude.count < 2 ? 0 : magnitude[1]) << 32
    }

    /// The decimal digits as ASCII, with a minus sign where due.
    public var decimal: [UInt8] {
        var digits = magnitude
        var reversed: [UInt8] = []
        while !digits.isEmpty {
            var remainder: UInt64 = 0
            for index in digits.indices.reversed() {
                let value = remainder << 32 | UInt64(digits[index])
                digits[index] = UInt32(value / 1_000_000_000)
                remainder = value % 1_000_000_000
            }
            while let last = digits.last, last == 0 { digits.removeLast() }
            for _ in 0..<9 {
                reversed.append(0x30 + UInt8(remainder % 10))
                remainder /= 10
            }
        }
        while let last = reversed.last, last == 0x30 { reversed.removeLast() }
        if reversed.isEmpty { return [0x30] }
        if isNegative { reversed.append(0x2d) }
        return reversed.reversed()
    }

    /// Reads digits in base 10 or 16 (ASCII, without sign); nil for anything else.
    public init?(digits: [UInt8], base: UInt32 = 10, isNegative: Bool = false) {
        guard !digits.isEmpty else { return nil }
        var words: [UInt32] = []
        for byte in digits {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: return nil
            }
            guard digit < base else { return nil }
            var carry = UInt64(digit)
            for index in words.indices {
                let value = UInt64(words[index]) * UInt64(base) + carry
                words[index] = UInt32(truncatingIfNeeded: value)
                carry = value >> 32
            }
            if carry != 0 { words.append(UInt32(carry)) }
        }
        self.init(isNegative: isNegative, magnitude: words)
    }
}
