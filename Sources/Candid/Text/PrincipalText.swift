#if !hasFeature(Embedded)
import Digests

/// The text form of principals: base 32 of CRC-32 and bytes, in groups of five.
enum PrincipalText {
    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    static func encode(_ principal: [UInt8]) -> [UInt8] {
        let checksum = CRC32.checksum(principal)
        let bytes = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: checksum >> UInt32($0)) } + principal
        var text: [UInt8] = []
        var letters = 0
        for start in stride(from: 0, to: bytes.count * 8, by: 5) {
            var value: UInt8 = 0
            for bit in start..<(start + 5) {
                let one = bit < bytes.count * 8 ? bytes[bit / 8] >> UInt8(7 - bit % 8) & 1 : 0
                value = value << 1 | one
            }
            if letters > 0, letters % 5 == 0 { text.append(UInt8(ascii: "-")) }
            text.append(alphabet[Int(value)])
            letters += 1
        }
        return text
    }

    /// The bytes, if the text is exactly what `encode` makes of them.
    static func decode(_ text: [UInt8]) -> [UInt8]? {
        var bits: UInt64 = 0
        var count = 0
        var bytes: [UInt8] = []
        for letter in text where letter != UInt8(ascii: "-") {
            guard let value = alphabet.firstIndex(of: letter) else { return nil }
            bits = bits << 5 | UInt64(value)
            count += 5
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(count)))
            }
        }
        guard (4...33).contains(bytes.count) else { return nil }
        let principal = Array(bytes.dropFirst(4))
        return encode(principal) == text ? principal : nil
    }
}
#endif
