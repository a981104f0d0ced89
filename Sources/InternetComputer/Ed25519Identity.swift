import Crypto
import Foundation

/// An Ed25519 key pair and the principal it makes.
public struct Ed25519Identity: Sendable {
    private let key: Curve25519.Signing.PrivateKey
    /// 44 bytes: the algorithm (RFC 8410) and the key.
    public let derPublicKey: [UInt8]
    public let principal: Principal

    static let derPublicKeyPrefix: [UInt8] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]

    /// A new key from the system's random numbers.
    public init() { self.init(key: Curve25519.Signing.PrivateKey()) }

    /// The key of a 32-byte seed.
    public init(seed: [UInt8]) throws(IdentityError) {
        do {
            self.init(key: try Curve25519.Signing.PrivateKey(rawRepresentation: seed))
        } catch { throw .badSeed(bytes: seed.count) }
    }

    private init(key: Curve25519.Signing.PrivateKey) {
        self.key = key
        derPublicKey = Self.der(publicKey: Array(key.publicKey.rawRepresentation))
        principal = .selfAuthenticating(derPublicKey: derPublicKey)
    }

    /// The DER form of a raw 32-byte public key.
    public static func der(publicKey: [UInt8]) -> [UInt8] { derPublicKeyPrefix + publicKey }

    public var rawPublicKey: [UInt8] { Array(key.publicKey.rawRepresentation) }

    public func sign(_ message: [UInt8]) throws -> [UInt8] { Array(try key.signature(for: message)) }

    // MARK: PKCS#8 in PEM

    private static let pkcs8Prefix: [UInt8] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]
    private static let pemHeader = "-----BEGIN PRIVATE KEY-----"
    private static let pemFooter = "-----END PRIVATE KEY-----"

    /// The private key as other tools of the field read it: PKCS#8 version 1 (RFC 8410) in PEM.
    public var pem: String {
        let der = Self.pkcs8Prefix + Array(key.rawRepresentation)
        return "\(Self.pemHeader)\n\(Data(der).base64EncodedString())\n\(Self.pemFooter)\n"
    }

    /// Reads a PKCS#8 PEM of either version; `source` names it in errors.
    public init(pem: String, source: String) throws(IdentityError) {
        guard let header = pem.range(of: Self.pemHeader),
            let footer = pem.range(of: Self.pemFooter, range: header.upperBound..<pem.endIndex),
            let data = Data(
                base64Encoded: String(pem[header.upperBound..<footer.lowerBound]),
                options: .ignoreUnknownCharacters)
        else { throw .notPEM(source: source) }
        guard let seed = Self.seed(pkcs8: Array(data)) else { throw .notEd25519(source: source) }
        try self.init(seed: seed)
    }

    /// The seed of a PKCS#8 structure, version 1, or version 2 with attributes or a public key behind.
    private static func seed(pkcs8 der: [UInt8]) -> [UInt8]? {
        guard der.count >= 48, der[0] == 0x30, der[1] < 128, Int(der[1]) == der.count - 2,
            Array(der[2..<4]) == [0x02, 0x01], der[4] <= 1, Array(der[5..<16]) == Array(pkcs8Prefix[5...])
        else { return nil }
        return Array(der[16..<48])
    }
}
