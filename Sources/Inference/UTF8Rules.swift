/// Whether bytes are well-formed UTF-8 (Unicode 16, table 3-7), without the tables of `String`.
enum UTF8Rules {
    static func isValid(_ bytes: [UInt8]) -> Bool {
        var i = 0
        while i < bytes.count {
            let lead = bytes[i]
            let length: Int
            var second: ClosedRange<UInt8> = 0x80...0xbf
            switch lead {
            case 0x00...0x7f: length = 1
            case 0xc2...0xdf: length = 2
            case 0xe0: (length, second) = (3, 0xa0...0xbf)
            case 0xed: (length, second) = (3, 0x80...0x9f)
            case 0xe1...0xef: length = 3
            case 0xf0: (length, second) = (4, 0x90...0xbf)
            case 0xf1...0xf3: length = 4
            case 0xf4: (length, second) = (4, 0x80...0x8f)
            default: return false
            }
            guard i + length <= bytes.count else { return false }
            if length > 1 && !second.contains(bytes[i + 1]) { return false }
            for k in stride(from: 2, to: length, by: 1) where !(0x80...0xbf).contains(bytes[i + k]) {
                return false
            }
            i += length
        }
        return true
    }
}
