import Digests

/// Writes deflate blocks token by token, so that forms which no compressor would choose can be tested.
struct TokenWriter {
    private(set) var bytes: [UInt8] = []
    private var held = 0

    mutating func bits(_ value: Int, _ count: Int) {
        for i in 0..<count {
            if held == 0 { bytes.append(0) }
            bytes[bytes.count - 1] |= UInt8(value >> i & 1) << held
            held = (held + 1) % 8
        }
    }

    /// A Huffman code: its highest bit first.
    mutating func code(_ value: Int, _ count: Int) {
        for i in (0..<count).reversed() { bits(value >> i & 1, 1) }
    }

    mutating func fixedSymbol(_ symbol: Int) {
        switch symbol {
        case ..<144: code(0x30 + symbol, 8)
        case ..<256: code(0x190 + symbol - 144, 9)
        case ..<280: code(symbol - 256, 7)
        default: code(0xc0 + symbol - 280, 8)
        }
    }

    /// RFC 1951, 3.2.5, by search.
    mutating func fixedMatch(length: Int, distance: Int) {
        let (symbol, extra, rest) = Self.lengthCode(length)
        fixedSymbol(symbol)
        bits(rest, extra)
        let far = Self.distanceCode(distance)
        code(far.symbol, 5)
        bits(far.rest, far.extra)
    }

    static func lengthCode(_ length: Int) -> (symbol: Int, extra: Int, rest: Int) {
        if length == 258 { return (285, 0, 0) }
        var base = 3
        for symbol in 257..<285 {
            let extra = symbol < 265 ? 0 : (symbol - 261) / 4
            if length < base + 1 << extra { return (symbol, extra, length - base) }
            base += 1 << extra
        }
        return (284, 5, 31)
    }

    static func distanceCode(_ distance: Int) -> (symbol: Int, extra: Int, rest: Int) {
        var base = 1
        for symbol in 0..<30 {
            let extra = symbol < 4 ? 0 : symbol / 2 - 1
            if distance < base + 1 << extra { return (symbol, extra, distance - base) }
            base += 1 << extra
        }
        return (29, 13, (1 << 13) - 1)
    }

    mutating func stored(_ data: [UInt8], isLast: Bool) {
        bits(isLast ? 1 : 0, 1)
        bits(0, 2)
        held = 0
        bytes += [
            UInt8(data.count & 255), UInt8(data.count >> 8), UInt8(~data.count & 255),
            UInt8(~data.count >> 8 & 255),
        ]
        bytes += data
    }

    /// As a zlib stream of `data`, whose Adler-32 follows.
    func stream(of data: [UInt8]) -> [UInt8] { [0x78, 0x01] + bytes + Craft.number(Adler32.checksum(data)) }
}
