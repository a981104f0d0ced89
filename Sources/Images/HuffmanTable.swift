/// A canonical Huffman code of at most 15 bits, decoded by one look-up, or two for codes longer than nine bits.
struct HuffmanTable {
    /// Symbol << 4 | length for every value of nine bits; a link to `long` has length 0 and a symbol that is not 0.
    private var short: [UInt16]
    /// For codes longer than nine bits, 64 entries of the next six bits for each prefix.
    private var long: [UInt16] = []

    private static let shortBits = 9

    /// From code lengths of 0…15 (0: the symbol does not occur); nil for a code that is over-full, or not
    /// complete unless `mayBeIncomplete` and it has at most one symbol.
    init?(_ lengths: [UInt8], mayBeIncomplete: Bool) {
        var counts = [Int](repeating: 0, count: 16)
        for length in lengths { counts[Int(length)] += 1 }
        counts[0] = 0
        var firsts = [Int](repeating: 0, count: 16)
        var code = 0
        var room = 1
        var symbols = 0
        for bits in 1..<16 {
            code = (code + counts[bits - 1]) << 1
            firsts[bits] = code
            room = room << 1 - counts[bits]
            symbols += counts[bits]
            guard room >= 0 else { return nil }
        }
        guard room == 0 || (mayBeIncomplete && symbols <= 1 && counts[1] == symbols) else { return nil }
        short = [UInt16](repeating: 0, count: 1 << HuffmanTable.shortBits)
        for symbol in 0..<lengths.count where lengths[symbol] > 0 {
            let length = Int(lengths[symbol])
            insert(symbol, HuffmanTable.reversed(firsts[length], length), length)
            firsts[length] += 1
        }
    }

    private mutating func insert(_ symbol: Int, _ code: Int, _ length: Int) {
        let entry = UInt16(truncatingIfNeeded: symbol << 4 | length)
        let bits = HuffmanTable.shortBits
        if length <= bits {
            short.withUnsafeMutableBufferPointer { short in
                var i = code
                while i < 1 << HuffmanTable.shortBits {
                    short[i] = entry
                    i &+= 1 &<< length
                }
            }
            return
        }
        let prefix = code & (1 << bits - 1)
        if short[prefix] == 0 {
            long.append(contentsOf: repeatElement(0, count: 64))
            short[prefix] = UInt16(long.count / 64) << 4
        }
        let base = (Int(short[prefix] >> 4) - 1) * 64
        for i in stride(from: code >> bits, to: 64, by: 1 << (length - bits)) { long[base + i] = entry }
    }

    /// Symbol << 4 | length of the code that starts `bits`; 0 when there is none.
    @inline(__always) func lookUp(_ bits: UInt32) -> UInt16 {
        let entry = short.withUnsafeBufferPointer { $0[Int(bits & 511)] }
        if entry & 15 != 0 || entry == 0 { return entry }
        return long[(Int(entry >> 4) &- 1) &* 64 &+ Int(bits &>> 9 & 63)]
    }

    /// The lowest `length` bits of `code` in reverse order.
    @inline(__always) private static func reversed(_ code: Int, _ length: Int) -> Int {
        var bits = UInt16(truncatingIfNeeded: code)
        bits = bits >> 8 | bits << 8
        bits = bits >> 4 & 0x0f0f | (bits & 0x0f0f) << 4
        bits = bits >> 2 & 0x3333 | (bits & 0x3333) << 2
        bits = bits >> 1 & 0x5555 | (bits & 0x5555) << 1
        return Int(bits &>> UInt16(16 &- length))
    }

    /// RFC 1951, 3.2.6.
    static var fixedLiterals: HuffmanTable {
        var lengths = [UInt8](repeating: 8, count: 288)
        for i in 144..<256 { lengths[i] = 9 }
        for i in 256..<280 { lengths[i] = 7 }
        return complete(lengths)
    }

    static var fixedDistances: HuffmanTable { complete([UInt8](repeating: 5, count: 32)) }

    private static func complete(_ lengths: [UInt8]) -> HuffmanTable {
        guard let table = HuffmanTable(lengths, mayBeIncomplete: false) else {
            preconditionFailure("the fixed codes are complete")
        }
        return table
    }
}
