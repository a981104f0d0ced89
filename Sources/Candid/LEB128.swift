/// Little-endian base 128: seven bits a byte, least significant first, the top bit says that more follow.
enum LEB128 {
    static func append(_ value: UInt64, to output: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        output.append(UInt8(rest))
    }

    static func append(signed value: Int64, to output: inout [UInt8]) {
        var rest = value
        while !(-64...63).contains(rest) {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        output.append(UInt8(truncatingIfNeeded: rest) & 0x7f)
    }

    /// The shortest form; unsigned values must not be negative.
    static func append(_ value: CandidInteger, isSigned: Bool, to output: inout [UInt8]) {
        if isSigned, let small = value.asInt64 { return append(signed: small, to: &output) }
        if !isSigned, let small = value.asUInt64 { return append(small, to: &output) }
        let words = value.isNegative ? negated(value.magnitude) : value.magnitude
        let fill: UInt32 = value.isNegative ? .max : 0
        // Bits that carry information, and the sign bit for the signed form.
        var bits = 32 * words.count
        while bits > 0, bit(words, bits - 1) == (fill & 1) { bits -= 1 }
        if isSigned { bits += 1 }
        var position = 0
        while position < bits {
            var seven: UInt8 = 0
            for index in 0..<7 {
                let at = position + index
                let one = at < 32 * words.count ? bit(words, at) : fill & 1
                seven |= UInt8(one) << UInt8(index)
            }
            position += 7
            output.append(position < bits ? seven | 0x80 : seven)
        }
    }

    /// Reads one complete encoding.
    static func integer(_ bytes: ArraySlice<UInt8>, isSigned: Bool) -> CandidInteger {
        let isNegative = isSigned && (bytes.last ?? 0) & 0x40 != 0
        var words: [UInt32] = []
        words.reserveCapacity(bytes.count * 7 / 32 + 2)
        var pending: UInt64 = 0
        var pendingBits: UInt64 = 0
        for byte in bytes {
            pending |= UInt64(byte & 0x7f) << pendingBits
            pendingBits += 7
            if pendingBits >= 32 {
                words.append(UInt32(truncatingIfNeeded: pending))
                pending >>= 32
                pendingBits -= 32
            }
        }
        if isNegative { pending |= ~0 << pendingBits }
        words.append(UInt32(truncatingIfNeeded: pending))
        return CandidInteger(isNegative: isNegative, magnitude: isNegative ? negated(words) : words)
    }

    /// Two's complement negation in as many words.
    private static func negated(_ words: [UInt32]) -> [UInt32] {
        var result: [UInt32] = []
        result.reserveCapacity(words.count)
        var carry: UInt32 = 1
        for word in words {
            let (sum, overflow) = (~word).addingReportingOverflow(carry)
            result.append(sum)
            carry = overflow ? 1 : 0
        }
        return result
    }

    private static func bit(_ words: [UInt32], _ index: Int) -> UInt32 {
        words[index / 32] >> UInt32(index % 32) & 1
    }
}
