import Crypto
import Foundation

/// An assertion of a security key over a request (interface specification, "Web Authentication").
struct WebAuthnSignature {
    let authenticatorData: [UInt8]
    let clientDataJSON: [UInt8]
    let signature: [UInt8]

    /// Reads the tagged CBOR map of the three parts.
    init(encoded: [UInt8]) throws(AuthenticationError) {
        guard let cbor = try? CBOR.decode(encoded).withoutSelfDescribedTag,
            let authenticatorData = cbor["authenticator_data"]?.bytesValue,
            let json = cbor["client_data_json"]?.textValue, let signature = cbor["signature"]?.bytesValue
        else { throw .badSignature }
        self.authenticatorData = authenticatorData
        clientDataJSON = Array(json.utf8)
        self.signature = signature
    }

    /// Whether the challenge of the client data is `message` and the key (COSE, ES256) signed both parts.
    func isValid(for message: [UInt8], by coseKey: [UInt8]) throws(AuthenticationError) -> Bool {
        let key = try Self.key(coseKey)
        struct ClientData: Decodable { let challenge: String }
        guard let data = try? JSONDecoder().decode(ClientData.self, from: Data(clientDataJSON)),
            data.challenge == Self.base64URL(message),
            let ecdsa = try? P256.Signing.ECDSASignature(derRepresentation: signature)
        else { return false }
        return key.isValidSignature(ecdsa, for: authenticatorData + Array(SHA256.hash(data: clientDataJSON)))
    }

    /// RFC 9053: key type 1 = EC2 (2), algorithm 3 = ES256 (−7), curve −1 = P-256 (1), coordinates −2 and −3.
    private static func key(_ cose: [UInt8]) throws(AuthenticationError) -> P256.Signing.PublicKey {
        guard case .map(let entries)? = try? CBOR.decode(cose) else { throw .badPublicKey }
        func value(_ key: CBOR) -> CBOR? { entries.first { $0.key == key }?.value }
        guard value(.unsigned(1)) == .unsigned(2), value(.unsigned(3)) == .negative(6) else {
            throw .unsupportedScheme("WebAuthn with another key than ES256")
        }
        guard value(.negative(0)) == .unsigned(1), let x = value(.negative(1))?.bytesValue,
            let y = value(.negative(2))?.bytesValue,
            let key = try? P256.Signing.PublicKey(rawRepresentation: x + y)
        else { throw .badPublicKey }
        return key
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}
