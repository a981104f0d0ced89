extension BLS12381 {
    /// Why bytes are not a key or a signature.
    public struct EncodingError: Error, Equatable, Sendable, CustomStringConvertible {
        public enum Subject: Sendable { case secretKey, publicKey, signature }

        public enum Reason: Equatable, Sendable {
            /// Lengths in bytes.
            case wrongLength(expected: Int, found: Int)
            /// The first byte in which the DER wrapper differs from the one BLS12-381 keys have.
            case notBLSPublicKey(offset: Int)
            /// A secret scalar that is zero or not below the group order.
            case scalarOutOfRange
            /// The top bit of the first byte is not set.
            case notCompressed
            case pointAtInfinity
            /// A coordinate at this byte offset is not below the field modulus.
            case coordinateNotCanonical(offset: Int)
            case notOnCurve
            case notInSubgroup
        }

        public let subject: Subject
        public let reason: Reason

        public var description: String {
            let name =
                switch subject {
                case .secretKey: "BLS secret key"
                case .publicKey: "BLS public key"
                case .signature: "BLS signature"
                }
            return switch reason {
            case .wrongLength(let expected, let found):
                "a \(name) has \(expected) bytes, found \(found)"
            case .notBLSPublicKey(let offset):
                "the DER at byte \(offset) is not that of a BLS12-381 public key; "
                    + "expected algorithm 1.3.6.1.4.1.44668.5.3.1.2.1 on curve 1.3.6.1.4.1.44668.5.3.2.1"
            case .scalarOutOfRange:
                "the \(name) must lie between 1 and the group order less 1"
            case .notCompressed:
                "the \(name) is not a compressed point: the top bit of its first byte must be set"
            case .pointAtInfinity:
                "the \(name) is the point at infinity, which signs and verifies nothing"
            case .coordinateNotCanonical(let offset):
                "the \(name) has a coordinate at byte \(offset) that is not below the field modulus"
            case .notOnCurve:
                "the \(name) is not a point of its curve"
            case .notInSubgroup:
                "the \(name) is a point of its curve but not of the subgroup of prime order"
            }
        }
    }
}
