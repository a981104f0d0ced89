/// A public key of one of the schemes that senders may use, read from its DER form
/// (interface specification, "Signatures").
enum PublicKeyScheme: Equatable {
    case ed25519([UInt8])
    /// x ‖ y, 64 bytes.
    case p256([UInt8])
    case secp256k1([UInt8])
    /// A COSE key.
    case webAuthn([UInt8])
    case canister(Principal, seed: [UInt8])

    /// The bytes of the AlgorithmIdentifier, and what the bit string then holds.
    private static let algorithms: [(identifier: [UInt8], make: @Sendable ([UInt8]) -> PublicKeyScheme?)] = [
        ([0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70], { $0.count == 32 ? .ed25519($0) : nil }),
        (
            [
                0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                0xce, 0x3d, 0x03, 0x01, 0x07,
            ], { uncompressed($0).map(PublicKeyScheme.p256) }
        ),
        (
            [
                0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
                0x00, 0x0a,
            ], { uncompressed($0).map(PublicKeyScheme.secp256k1) }
        ),
        (
            [0x30, 0x0c, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xb8, 0x43, 0x01, 0x01],
            { .webAuthn($0) }
        ),
        (
            [0x30, 0x0c, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xb8, 0x43, 0x01, 0x02],
            { canisterKey($0) }
        ),
    ]

    /// Throws `.unsupportedScheme` for another algorithm, `.badPublicKey` when the rest does not fit.
    init(der: [UInt8]) throws(AuthenticationError) {
        guard let outer = Self.element(0x30, der[...]), outer.rest.isEmpty else { throw .badPublicKey }
        guard let algorithm = Self.algorithms.first(where: { outer.content.starts(with: $0.identifier) }) else {
            throw .unsupportedScheme("unknown")
        }
        let bits = outer.content.dropFirst(algorithm.identifier.count)
        guard let key = Self.element(0x03, bits), key.rest.isEmpty, key.content.first == 0,
            let scheme = algorithm.make(Array(key.content.dropFirst()))
        else { throw .badPublicKey }
        self = scheme
    }

    private static func uncompressed(_ key: [UInt8]) -> [UInt8]? {
        key.count == 65 && key[0] == 4 ? Array(key.dropFirst()) : nil
    }

    private static func canisterKey(_ key: [UInt8]) -> PublicKeyScheme? {
        guard let length = key.first, key.count > Int(length),
            let canister = try? Principal(bytes: Array(key[1...Int(length)].prefix(Int(length))))
        else { return nil }
        return .canister(canister, seed: Array(key.dropFirst(1 + Int(length))))
    }

    /// The content of a DER element with this tag at the front, and what follows it. Lengths have one or two bytes,
    /// in the shortest form.
    static func element(
        _ tag: UInt8, _ bytes: ArraySlice<UInt8>
    ) -> (content: ArraySlice<UInt8>, rest: ArraySlice<UInt8>)? {
        var rest = bytes
        guard rest.popFirst() == tag, let first = rest.popFirst() else { return nil }
        var length = Int(first)
        switch first {
        case 0x81:
            guard let low = rest.popFirst(), low >= 0x80 else { return nil }
            length = Int(low)
        case 0x82:
            guard let high = rest.popFirst(), let low = rest.popFirst(), high > 0 else { return nil }
            length = Int(high) << 8 | Int(low)
        case 0x80...: return nil
        default: break
        }
        guard rest.count >= length else { return nil }
        return (rest.prefix(length), rest.dropFirst(length))
    }
}
