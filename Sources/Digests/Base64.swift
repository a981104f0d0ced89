/// Base64 with padding (RFC 4648, section 4) as ASCII bytes.
public enum Base64 {
    public static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group: UInt32 = 0
            for offset in 0..<3 { group = group << 8 | (offset < count ? UInt32(bytes[start + offset]) : 0) }
            for index in 0..<4 {
                let digit = UInt8(truncatingIfNeeded: group >> UInt32(18 - 6 * index)) & 63
                text.append(index <= count ? character(digit) : 0x3d)
            }
        }
        return text
    }

    private static func character(_ digit: UInt8) -> UInt8 {
        switch digit {
        case ..<26: 0x41 + digit
        case ..<52: 0x61 + digit - 26
        case ..<62: 0x30 + digit - 52
        case 62: 0x2b
        default: 0x2f
        }
    }
}
