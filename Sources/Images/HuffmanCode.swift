/// A canonical Huffman code of at most 15 bits (RFC 1951, 3.2.2): frequent codes by one look-up, others by search.
///
/// An entry of the table is what the caller's alphabet makes of a symbol. The table is filled in the order of the
/// code, doubling with each length, so that building costs little more than one store for each symbol.
struct HuffmanCode: ~Copyable {
    /// The entry of a code that must be searched; no alphabet uses this bit otherwise.
    static let absent: UInt32 = 0x4000_0000

    /// A table and the bits that select an entry.
    struct Table {
        fileprivate let entries: UnsafeMutablePointer<UInt32>
        fileprivate let mask: UInt64

        /// For the code that `window` starts with.
        @inline(__always) subscript(window: UInt64) -> UInt32 {
            entries[Int(truncatingIfNeeded: window & mask)]
        }
    }

    private let entries: UnsafeMutablePointer<UInt32>
    /// How many codes there are of each length, and where those of one length start in `order`.
    private let counts: UnsafeMutablePointer<UInt16>
    private let starts: UnsafeMutablePointer<UInt16>
    /// The symbols in the order of their codes.
    private let order: UnsafeMutablePointer<UInt16>
    private let tableBits: Int
    private(set) var table: Table

    /// With room for codes of `symbols` symbols and a table of `tableBits` bits, at least 3.
    init(symbols: Int, tableBits: Int) {
        entries = .allocate(capacity: 1 << tableBits)
        counts = .allocate(capacity: 32 + symbols)
        starts = counts + 16
        order = counts + 32
        self.tableBits = tableBits
        table = Table(entries: entries, mask: 0)
    }

    deinit {
        entries.deallocate()
        counts.deallocate()
    }

    /// Builds the code that has `lengths[s]` bits, 0…15, for symbol s (0: s does not occur).
    ///
    /// False when codes collide, or do not use all bit patterns; one code of one bit, or none, is enough when the
    /// code `mayBeIncomplete`. `entry` is given a symbol and its length.
    @inline(__always) mutating func build(
        _ lengths: UnsafePointer<UInt8>, count: Int, mayBeIncomplete: Bool, _ entry: (Int, Int) -> UInt32
    ) -> Bool {
        for length in 0..<16 { counts[length] = 0 }
        for symbol in 0..<count { counts[Int(lengths[symbol])] &+= 1 }
        var room = 1
        var longest = 0
        var used = 0
        for length in 1..<16 {
            let codes = Int(counts[length])
            starts[length] = UInt16(truncatingIfNeeded: used)
            used &+= codes
            room = room &* 2 &- codes
            guard room >= 0 else { return false }
            if codes > 0 { longest = length }
        }
        guard room == 0 || (mayBeIncomplete && used <= 1 && longest <= 1) else { return false }
        for symbol in 0..<count {
            let length = Int(lengths[symbol])
            guard length > 0 else { continue }
            order[Int(starts[length])] = UInt16(truncatingIfNeeded: symbol)
            starts[length] &+= 1
        }
        fill(bits: min(longest, tableBits), entry)
        return true
    }

    /// Fills the table from `counts` and `order`.
    @inline(__always) private mutating func fill(bits: Int, _ entry: (Int, Int) -> UInt32) {
        entries[0] = HuffmanCode.absent
        var code: UInt32 = 0
        var next = order
        var size = 1
        for length in 1..<bits &+ 1 {
            // Below four entries this copies some that do not count yet.
            let half = UnsafeMutableRawPointer(entries)
            for i in stride(from: 0, to: size &* 4, by: 16) {
                let four = half.loadUnaligned(fromByteOffset: i, as: SIMD4<UInt32>.self)
                half.storeBytes(of: four, toByteOffset: size &* 4 &+ i, as: SIMD4<UInt32>.self)
            }
            size &*= 2
            let end = next + Int(counts[length])
            while next < end {
                entries[Int(code)] = entry(Int(next.pointee), length)
                next += 1
                // Codes count upwards from their first bit, which is the lowest here.
                let zeros = code ^ UInt32(truncatingIfNeeded: size &- 1)
                guard zeros > 0 else { break }
                let highest: UInt32 = 0x8000_0000 &>> UInt32(truncatingIfNeeded: zeros.leadingZeroBitCount)
                code = code & (highest &- 1) | highest
            }
        }
        table = Table(entries: entries, mask: UInt64(size &- 1))
    }

    /// The symbol whose code `window` starts with, and the length of the code; nil when there is none.
    func search(_ window: UInt64) -> (symbol: Int, length: Int)? {
        var code = 0
        var first = 0
        var index = 0
        for length in 1..<16 {
            code |= Int(truncatingIfNeeded: window &>> UInt64(length &- 1)) & 1
            let count = Int(counts[length])
            if code &- first < count { return (Int(order[index &+ code &- first]), length) }
            index &+= count
            first = (first &+ count) &* 2
            code &*= 2
        }
        return nil
    }
}
