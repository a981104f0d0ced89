extension BLS12381 {
    /// A secret scalar k with 0 < k < r.
    public struct SecretKey: Sendable {
        /// The public key k·g₂.
        public let publicKey: PublicKey

        /// Reads a big-endian scalar of 32 bytes; it must be in 1 ..< r.
        public init(bytes: [UInt8]) throws(EncodingError) { fatalError("declared, body follows") }

        /// A key drawn from the system's random source.
        public static func random() -> SecretKey { fatalError("declared, body follows") }

        /// The scalar as 32 big-endian bytes. They are the secret: keep them where nobody else reads.
        public var bytes: [UInt8] { fatalError("declared, body follows") }

        /// The one signature of these bytes (the scheme is deterministic).
        public func sign(_ message: [UInt8]) -> Signature { fatalError("declared, body follows") }
    }

    /// A point of G2 that verifies signatures.
    public struct PublicKey: Hashable, Sendable {
        /// The point in 96 bytes, compressed.
        public let compressed: [UInt8]

        /// Reads a compressed point of 96 bytes, with every check.
        public init(compressed: [UInt8]) throws(EncodingError) { fatalError("declared, body follows") }

        /// Reads the 133-byte SubjectPublicKeyInfo form the Internet Computer uses for root and subnet keys.
        public init(der: [UInt8]) throws(EncodingError) { fatalError("declared, body follows") }

        /// The 133-byte SubjectPublicKeyInfo form.
        public var der: [UInt8] { fatalError("declared, body follows") }
    }

    /// A point of G1 that signs a message.
    public struct Signature: Hashable, Sendable {
        /// The point in 48 bytes, compressed.
        public let compressed: [UInt8]

        /// Reads a compressed point of 48 bytes, with every check.
        public init(compressed: [UInt8]) throws(EncodingError) { fatalError("declared, body follows") }
    }
}
