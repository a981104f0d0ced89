extension BLS12381.AffinePoint {
    /// The abscissa in big-endian bytes, its three spare top bits holding the flags: compressed, infinity,
    /// and whether y is the larger of the two roots.
    package var compressed: [UInt8] {
        var bytes = x.bigEndian
        bytes[0] |= y.isLarge ? 0xa0 : 0x80
        return bytes
    }

    /// Reads a compressed point, checking the length, the flags, that coordinates are canonical, that the
    /// point is on the curve and that it is in the subgroup.
    package init(
        compressed: [UInt8], of subject: BLS12381.EncodingError.Subject
    ) throws(BLS12381.EncodingError) {
        func refuse(_ reason: BLS12381.EncodingError.Reason) -> BLS12381.EncodingError {
            BLS12381.EncodingError(subject: subject, reason: reason)
        }
        guard compressed.count == C.F.byteCount else {
            throw refuse(.wrongLength(expected: C.F.byteCount, found: compressed.count))
        }
        let flags = compressed[0]
        guard flags & 0x80 != 0 else { throw refuse(.notCompressed) }
        guard flags & 0x40 == 0 else { throw refuse(.pointAtInfinity) }
        var bytes = compressed
        bytes[0] &= 0x1f
        for offset in stride(from: 0, to: bytes.count, by: BLS12381.Fp.byteCount) {
            let coefficient = bytes[offset..<offset + BLS12381.Fp.byteCount]
            guard BLS12381.Fp(bigEndian: coefficient) != nil else {
                throw refuse(.coordinateNotCanonical(offset: offset))
            }
        }
        guard let x = C.F(bigEndian: bytes[...]), let root = (x.squared * x + C.b).squareRoot else {
            throw refuse(.notOnCurve)
        }
        self.init(x: x, y: root.isLarge == (flags & 0x20 != 0) ? root : -root)
        guard C.isInSubgroup(BLS12381.Point(self)) else { throw refuse(.notInSubgroup) }
    }
}
