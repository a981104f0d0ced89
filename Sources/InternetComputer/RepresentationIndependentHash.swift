import Crypto

/// The hash of structured data that does not depend on its encoding
/// (interface specification, "Representation-independent hashing of structured data").
public enum RepresentationIndependentHash {
    /// Hashes a map (or another item) made of naturals, integers, bytes, texts, arrays and maps with text keys.
    ///
    /// Anything else has no such hash; the callers build their items themselves, so it is a programming error.
    public static func hash(_ item: CBOR) -> [UInt8] {
        switch item {
        case .bytes(let value): return sha256(value)
        case .text(let value): return hash(text: value)
        case .unsigned(let value): return sha256(unsignedLEB128(value))
        case .negative(let value): return sha256(negativeLEB128(value))
        case .array(let items): return sha256(items.flatMap(hash))
        case .map(let entries):
            var fields: [[UInt8]] = []
            fields.reserveCapacity(entries.count)
            for entry in entries {
                var field: [UInt8] = []
                field.reserveCapacity(64)
                if case .text(let name) = entry.key {
                    field.append(contentsOf: names[name] ?? hash(text: name))
                } else {
                    field.append(contentsOf: hash(entry.key))
                }
                field.append(contentsOf: hash(entry.value))
                fields.append(field)
            }
            fields.sort { $0.lexicographicallyPrecedes($1) }
            var joined: [UInt8] = []
            joined.reserveCapacity(64 * fields.count)
            for field in fields { joined.append(contentsOf: field) }
            return sha256(joined)
        case .tagged, .bool, .null, .undefined, .simple, .float:
            preconditionFailure("this kind of item has no representation-independent hash")
        }
    }

    /// Hashes of the names that every request and answer has.
    private static let names: [String: [UInt8]] = Dictionary(
        uniqueKeysWithValues: [
            "arg", "canister_id", "error_code", "ingress_expiry", "method_name", "nonce", "paths", "reject_code",
            "reject_message", "reply", "request_id", "request_type", "sender", "status", "timestamp",
        ].map { ($0, hash(text: $0)) })

    private static func hash(text: String) -> [UInt8] {
        var text = text
        return text.withUTF8 { digest(UnsafeRawBufferPointer($0)) }
    }

    static func sha256(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes(digest) }

    private static func digest(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var hash = SHA256()
        hash.update(bufferPointer: bytes)
        return hash.finalize().withUnsafeBytes(Array.init)
    }

    /// The signed LEB128 form of −1 − n.
    private static func negativeLEB128(_ n: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = n
        while rest >= 64 {
            bytes.append(UInt8(~rest & 127) | 128)
            rest >>= 7
        }
        bytes.append(UInt8(~rest & 127))
        return bytes
    }
}

/// The shortest unsigned LEB128 form: seven bits a byte, low bits first.
public func unsignedLEB128(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 128 {
        bytes.append(UInt8(rest & 127) | 128)
        rest >>= 7
    }
    bytes.append(UInt8(rest))
    return bytes
}

/// Lower-case hexadecimal digits, two for each byte.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// The bytes that hexadecimal digits of either case spell, or nil for anything else.
public func bytes(hexadecimal text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var result: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = Character(UnicodeScalar(digits[index])).hexDigitValue,
            let low = Character(UnicodeScalar(digits[index + 1])).hexDigitValue
        else { return nil }
        result.append(UInt8(high << 4 | low))
    }
    return result
}
