/// An identity on the Internet Computer: a user, a canister, a subnet or a node, at most 29 bytes.
///
/// Text form and classes: interface specification, "Principals". Ordering is bytewise, shorter first on a tie,
/// which is the order of labels in the state tree.
public struct Principal: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let bytes: [UInt8]

    public static let maximumBytes = 29

    /// The management canister `aaaaa-aa`: no bytes at all.
    public static let managementCanister = Principal(unchecked: [])

    /// The sender of unsigned requests, `2vxsx-fae`.
    public static let anonymous = Principal(unchecked: [0x04])

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// Throws `PrincipalError.tooLong` past 29 bytes.
    public init(bytes: [UInt8]) throws(PrincipalError) {
        guard bytes.count <= Self.maximumBytes else { throw .tooLong(bytes: bytes.count) }
        self.bytes = bytes
    }

    /// The principal of whoever holds the private half of a DER public key: SHA-224 of the key, then 02.
    public static func selfAuthenticating(derPublicKey: [UInt8]) -> Principal {
        Principal(unchecked: SHA224.hash(derPublicKey) + [0x02])
    }

    /// The opaque id of the canister with this number: eight big-endian bytes, then 01 01.
    public static func canister(_ number: UInt64) -> Principal {
        let big = stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> UInt64($0)) }
        return Principal(unchecked: big + [0x01, 0x01])
    }

    /// The number of an opaque canister id, or nil for any other class.
    public var canisterNumber: UInt64? {
        guard bytes.count == 10, bytes[8] == 0x01, bytes[9] == 0x01 else { return nil }
        return bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    public var isAnonymous: Bool { bytes == [0x04] }
    public var isSelfAuthenticating: Bool { bytes.count == 29 && bytes.last == 0x02 }

    public static func < (left: Principal, right: Principal) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    // MARK: Text form

    /// Reads `rrkah-fqaaa-aaaaa-aaaaq-cai`: case is ignored, everything else must be the canonical form.
    public init(text: String) throws(PrincipalError) {
        guard text.utf8.count <= 63 else { throw .textTooLong(characters: text.utf8.count) }
        var decoded: [UInt8] = []
        var buffer: UInt32 = 0
        var bits: UInt32 = 0
        for (offset, character) in text.utf8.enumerated() where character != UInt8(ascii: "-") {
            let value: UInt8
            switch character {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a")
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "2")...UInt8(ascii: "7"): value = character - UInt8(ascii: "2") + 26
            default: throw .badCharacter(offset: offset, text: text)
            }
            buffer = buffer << 5 | UInt32(value)
            bits += 5
            if bits >= 8 {
                bits -= 8
                decoded.append(UInt8(truncatingIfNeeded: buffer >> bits))
                buffer &= (1 << bits) - 1
            }
        }
        guard decoded.count >= 4 else { throw .tooShort(text: text) }
        guard decoded.count - 4 <= Self.maximumBytes else { throw .tooLong(bytes: decoded.count - 4) }
        let payload = Array(decoded.dropFirst(4))
        guard Array(decoded.prefix(4)) == Self.checksum(payload) else { throw .badChecksum(text: text) }
        bytes = payload
        guard self.text == text.lowercased() else { throw .notCanonical(text: text, canonical: self.text) }
    }

    /// The canonical text form: base32 of checksum and bytes, a dash after every five characters.
    public var text: String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        var characters: [UInt8] = []
        var count = 0
        func append(_ value: UInt32) {
            if count > 0, count % 5 == 0 { characters.append(UInt8(ascii: "-")) }
            characters.append(alphabet[Int(value & 31)])
            count += 1
        }
        var buffer: UInt32 = 0
        var bits: UInt32 = 0
        for byte in Self.checksum(bytes) + bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                append(buffer >> bits)
            }
            buffer &= (1 << bits) - 1
        }
        if bits > 0 { append(buffer << (5 - bits)) }
        return String(decoding: characters, as: UTF8.self)
    }

    public var description: String { text }

    /// CRC-32 (IEEE 802.3) of the bytes, big-endian.
    private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        var remainder: UInt32 = 0xffff_ffff
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 {
                remainder = remainder & 1 == 1 ? remainder >> 1 ^ 0xedb8_8320 : remainder >> 1
            }
        }
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: ~remainder >> UInt32($0)) }
    }
}

extension Principal: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(text: decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// Why bytes or a text are no principal.
public enum PrincipalError: Error, Equatable, Sendable, CustomStringConvertible {
    case tooLong(bytes: Int)
    case textTooLong(characters: Int)
    case tooShort(text: String)
    case badCharacter(offset: Int, text: String)
    case badChecksum(text: String)
    case notCanonical(text: String, canonical: String)

    public var description: String {
        switch self {
        case .tooLong(let bytes): "a principal has at most 29 bytes, this one has \(bytes)"
        case .textTooLong(let characters):
            "a principal has at most 63 characters, this text has \(characters)"
        case .tooShort(let text): "'\(text)' is too short to be a principal"
        case .badCharacter(let offset, let text):
            "'\(text)' is no principal: character \(offset) is not a letter, 2 to 7, or a dash"
        case .badChecksum(let text):
            "'\(text)' is no principal: its checksum does not match (a mistyped character?)"
        case .notCanonical(let text, let canonical):
            "'\(text)' is no principal in canonical form; that would be '\(canonical)'"
        }
    }
}
