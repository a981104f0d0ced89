import Digests

extension BLS12381.G1 {
    /// The point of the subgroup to which RFC 9380's suite BLS12381G1_XMD:SHA-256_SSWU_RO_ hashes a message.
    package static func hash(_ message: [UInt8], tag: [UInt8]) -> BLS12381.Point<Self> {
        let uniform = BLS12381.expandMessage(message, tag: tag, byteCount: 128)
        let first = map(BLS12381.Fp(reducing: uniform[..<64]))
        let second = map(BLS12381.Fp(reducing: uniform[64...]))
        return clearingCofactor(first + second)
    }

    /// A point of the curve for a field element: the simplified map of Shallue, van de Woestijne and Ulas on
    /// a curve that is 11-isogenous, then the isogeny.
    package static func map(_ u: BLS12381.Fp) -> BLS12381.Point<Self> {
        let (numerator, denominator, y) = BLS12381.Isogeny.simplifiedMap(u)
        return BLS12381.Isogeny.image(numerator: numerator, denominator: denominator, y: y)
    }
}

extension BLS12381 {
    /// `expand_message_xmd` with SHA-256 (RFC 9380, section 5.3.1): at most 255 · 32 bytes.
    package static func expandMessage(_ message: [UInt8], tag: [UInt8], byteCount: Int) -> [UInt8] {
        precondition((1...255 * 32).contains(byteCount), "expanding to an impossible length")
        var tag = tag
        if tag.count > 255 { tag = SHA256.hash([UInt8]("H2C-OVERSIZE-DST-".utf8) + tag) }
        let suffix = tag + [UInt8(tag.count)]

        var hash = SHA256()
        hash.update([UInt8](repeating: 0, count: 64))
        hash.update(message)
        hash.update([UInt8(byteCount >> 8), UInt8(byteCount & 255), 0] + suffix)
        let seed = hash.finalize()

        var block = [UInt8](repeating: 0, count: 32)
        var bytes: [UInt8] = []
        for counter in 1...(byteCount + 31) / 32 {
            let chained = zip(seed, block).map { $0 ^ $1 }
            block = SHA256.hash(chained + [UInt8(counter)] + suffix)
            bytes += block
        }
        return Array(bytes.prefix(byteCount))
    }
}
