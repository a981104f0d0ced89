import InternetComputer

extension [UInt8] {
    /// The bytes of a hexadecimal text; white space means nothing.
    init(blsHex text: String) {
        let digits = text.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }
        precondition(digits.count % 2 == 0, "an odd number of hexadecimal digits")
        self = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    var blsHex: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}

/// The seeded source of every random value of the BLS tests (SplitMix64).
struct BLSRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    mutating func fp() -> BLS12381.Fp { BLS12381.Fp(reducing: bytes(64)[...]) }

    mutating func fp2() -> BLS12381.Fp2 { BLS12381.Fp2(fp(), fp()) }

    mutating func fp6() -> BLS12381.Fp6 { BLS12381.Fp6(fp2(), fp2(), fp2()) }

    mutating func fp12() -> BLS12381.Fp12 { BLS12381.Fp12(fp6(), fp6()) }

    mutating func scalar() -> BLS12381.Scalar { BLS12381.Scalar(bigEndian: bytes(32)) }
}
