/// Writes CBOR items deterministically (RFC 8949, section 4.2.1).
struct CBOREncoder {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ item: CBOR) {
        switch item {
        case .unsigned(let value): head(0, value)
        case .negative(let value): head(1, value)
        case .bytes(let value):
            head(2, UInt64(value.count))
            // Room for what follows a large value, which would otherwise move it to twice its size.
            if value.count > 1 << 16 { bytes.reserveCapacity(bytes.count + value.count + 1024) }
            bytes.append(contentsOf: value)
        case .text(let value):
            head(3, UInt64(value.utf8.count))
            bytes.append(contentsOf: value.utf8)
        case .array(let items):
            head(4, UInt64(items.count))
            for item in items { append(item) }
        case .map(let entries):
            head(5, UInt64(entries.count))
            let encoded = entries.map { (key: $0.key.encoded(), value: $0.value) }
            for entry in encoded.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                bytes.append(contentsOf: entry.key)
                append(entry.value)
            }
        case .tagged(let tag, let inner):
            head(6, tag)
            append(inner)
        case .bool(let value): bytes.append(value ? 0xf5 : 0xf4)
        case .null: bytes.append(0xf6)
        case .undefined: bytes.append(0xf7)
        case .simple(let value): head(7, UInt64(value))
        case .float(let value):
            bytes.append(0xfb)
            bigEndian(value.bitPattern, bytes: 8)
        }
    }

    /// A major type with its argument in the shortest form.
    mutating func head(_ major: UInt8, _ argument: UInt64) {
        let top = major << 5
        switch argument {
        case 0..<24: bytes.append(top | UInt8(argument))
        case 24...0xff:
            bytes.append(top | 24)
            bigEndian(argument, bytes: 1)
        case 0x100...0xffff:
            bytes.append(top | 25)
            bigEndian(argument, bytes: 2)
        case 0x1_0000...0xffff_ffff:
            bytes.append(top | 26)
            bigEndian(argument, bytes: 4)
        default:
            bytes.append(top | 27)
            bigEndian(argument, bytes: 8)
        }
    }

    private mutating func bigEndian(_ value: UInt64, bytes count: UInt64) {
        for index in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }
}
