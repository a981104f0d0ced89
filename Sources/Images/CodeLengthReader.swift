/// Reads the code lengths of a deflate block (RFC 1951, 3.2.7) into the codes they describe.
struct CodeLengthReader {
    private let codes: HuffmanCode.Table
    /// The last length; −1 before the first.
    private var length = -1
    /// How often it is still to be repeated.
    private var repeats = 0

    /// `codes` says which bits stand for which length or run, as symbol << 8 | bits.
    init(_ codes: HuffmanCode.Table) { self.codes = codes }

    /// True when no run went further than what was read.
    var isDone: Bool { repeats == 0 }

    /// The next `count` lengths, those of the symbols of `code`.
    mutating func read(
        _ count: Int, of code: borrowing HuffmanCode, from reader: inout BitReader
    ) throws(ImageError) {
        var bits = reader
        var symbol = 0
        while symbol < count {
            if repeats > 0 {
                let end = min(symbol &+ repeats, count)
                repeats &-= end &- symbol
                if length > 0 { code.append(symbol..<end, length: length) }
                symbol = end
                continue
            }
            let window = try bits.window()
            let entry = codes[window]
            bits.skip(Int(entry & 255))
            let value = Int(truncatingIfNeeded: entry &>> 8)
            if value < 16 {
                length = value
                if value > 0 { code.append(symbol, length: value) }
                symbol &+= 1
                continue
            }
            // 16: the last length 3…6 times; 17 and 18: zero 3…10 or 11…138 times.
            let extra = value == 16 ? 2 : value == 17 ? 3 : 7
            let more = Int(truncatingIfNeeded: window &>> UInt64(entry & 255)) & (1 &<< extra &- 1)
            repeats = more &+ (value == 18 ? 11 : 3)
            bits.skip(extra)
            if value > 16 { length = 0 }
            guard length >= 0 else { throw ImageError(.badCompression, offset: bits.byteOffset) }
        }
        reader = bits
    }
}
