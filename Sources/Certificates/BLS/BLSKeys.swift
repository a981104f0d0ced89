extension BLS12381 {
    /// A secret scalar k with 0 < k < r. Its description does not show it.
    public struct SecretKey: Sendable, CustomStringConvertible {
        private let scalar: Scalar

        /// The public key k·g₂.
        public let publicKey: PublicKey

        /// Reads a big-endian scalar of 32 bytes; it must be in 1 ..< r.
        public init(bytes: [UInt8]) throws(EncodingError) {
            guard bytes.count == 32 else {
                throw EncodingError(
                    subject: .secretKey, reason: .wrongLength(expected: 32, found: bytes.count))
            }
            guard let key = SecretKey(Scalar(bigEndian: bytes)) else {
                throw EncodingError(subject: .secretKey, reason: .scalarOutOfRange)
            }
            self = key
        }

        private init?(_ scalar: Scalar) {
            guard scalar.isValidSecret,
                let point = Point(G2.generator).multiplied(by: scalar).affine
            else { return nil }
            self.scalar = scalar
            publicKey = PublicKey(point)
        }

        /// A key drawn from the system's random source.
        public static func random() -> SecretKey {
            var generator = SystemRandomNumberGenerator()
            while true {
                // r lies between 2²⁵⁴ and 2²⁵⁵, so nearly every draw of 255 bits is a key.
                var bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
                bytes[0] &= 0x7f
                if let key = SecretKey(Scalar(bigEndian: bytes)) { return key }
            }
        }

        /// The scalar as 32 big-endian bytes. They are the secret: keep them where nobody else reads.
        public var bytes: [UInt8] { scalar.bigEndian }

        public var description: String { "BLS secret key (not shown)" }

        /// The one signature of these bytes (the scheme is deterministic).
        public func sign(_ message: [UInt8]) -> Signature {
            guard let point = G1.hash(message, tag: tag).multiplied(by: scalar).affine else {
                preconditionFailure("a message hashed to the point at infinity")
            }
            return Signature(point)
        }
    }

    /// A point of G2 that verifies signatures.
    ///
    /// Making one costs a fraction of a verification and keeps about 20 KB of line coefficients, so that every
    /// verification under it is cheaper: read a key once and keep it.
    public struct PublicKey: Hashable, Sendable {
        /// The point in 96 bytes, compressed.
        public let compressed: [UInt8]
        let prepared: PreparedG2

        init(_ point: AffinePoint<G2>) {
            compressed = point.compressed
            prepared = PreparedG2(point)
        }

        /// Reads a compressed point of 96 bytes, with every check.
        public init(compressed: [UInt8]) throws(EncodingError) {
            self.init(try AffinePoint<G2>(compressed: compressed, of: .publicKey))
        }

        /// Reads the 133-byte SubjectPublicKeyInfo form the Internet Computer uses for root and subnet keys.
        public init(der: [UInt8]) throws(EncodingError) {
            let prefix = Self.derPrefix
            if let offset = zip(der, prefix).enumerated().first(where: { $1.0 != $1.1 })?.offset {
                throw EncodingError(subject: .publicKey, reason: .notBLSPublicKey(offset: offset))
            }
            guard der.count == prefix.count + 96 else {
                throw EncodingError(
                    subject: .publicKey,
                    reason: .wrongLength(expected: prefix.count + 96, found: der.count))
            }
            try self.init(compressed: Array(der[prefix.count...]))
        }

        /// The 133-byte SubjectPublicKeyInfo form.
        public var der: [UInt8] { Self.der(compressed: compressed) }

        static func der(compressed: [UInt8]) -> [UInt8] { derPrefix + compressed }

        /// SEQUENCE { SEQUENCE { OID 1.3.6.1.4.1.44668.5.3.1.2.1, OID 1.3.6.1.4.1.44668.5.3.2.1 },
        /// BIT STRING of 96 bytes } up to those bytes.
        private static let derPrefix: [UInt8] = [
            0x30, 0x81, 0x82, 0x30, 0x1d,
            0x06, 0x0d, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05, 0x03, 0x01, 0x02, 0x01,
            0x06, 0x0c, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05, 0x03, 0x02, 0x01,
            0x03, 0x61, 0x00,
        ]

        public static func == (a: Self, b: Self) -> Bool { a.compressed == b.compressed }

        public func hash(into hasher: inout Hasher) { hasher.combine(compressed) }
    }

    /// A point of G1 that signs a message.
    public struct Signature: Hashable, Sendable {
        /// The point in 48 bytes, compressed.
        public let compressed: [UInt8]
        let point: AffinePoint<G1>

        init(_ point: AffinePoint<G1>) {
            compressed = point.compressed
            self.point = point
        }

        /// Reads a compressed point of 48 bytes, with every check.
        public init(compressed: [UInt8]) throws(EncodingError) {
            self.init(try AffinePoint<G1>(compressed: compressed, of: .signature))
        }

        public static func == (a: Self, b: Self) -> Bool { a.compressed == b.compressed }

        public func hash(into hasher: inout Hasher) { hasher.combine(compressed) }
    }
}
