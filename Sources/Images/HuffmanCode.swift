/// A canonical Huffman code of at most 15 bits (RFC 1951, 3.2.2): frequent codes by one look-up, others by search.
///
/// An entry of the table is what the caller's alphabet makes of a symbol and the length of its code. Symbols are
/// kept in a list for each length, so that those that do not occur cost nothing; the table is filled in the order
/// of the code and doubles with each length.
struct HuffmanCode: ~Copyable {
    /// The bit of entries that are not in the table: the code must be searched, or there is none.
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

    private static let lengths = 16

    private(set) var table: Table
    private let tableBits: Int
    private let entries: UnsafeMutablePointer<UInt32>
    /// How many symbols there are of each length.
    private let counts: UnsafeMutablePointer<UInt16>
    /// The place in `links` that waits for the next symbol of each length.
    private let ends: UnsafeMutablePointer<UInt16>
    /// The symbol that follows each symbol of the same length, and behind these the first one of each length.
    private let links: UnsafeMutablePointer<UInt16>
    private let symbols: Int
    /// The symbols in the order of their codes.
    private let order: UnsafeMutablePointer<UInt16>

    /// Empty, with room for `symbols` symbols and a table of `tableBits` bits, at least 3 (9 for the fixed code).
    init(symbols: Int, tableBits: Int) {
        self.symbols = symbols
        self.tableBits = tableBits
        entries = .allocate(capacity: 1 << tableBits)
        counts = .allocate(capacity: 3 * HuffmanCode.lengths + 2 * symbols)
        ends = counts + HuffmanCode.lengths
        links = ends + HuffmanCode.lengths
        order = links + HuffmanCode.lengths + symbols
        table = Table(entries: entries, mask: 0)
        removeAll()
    }

    deinit {
        entries.deallocate()
        counts.deallocate()
    }

    func removeAll() {
        for length in 0..<HuffmanCode.lengths {
            counts[length] = 0
            ends[length] = UInt16(truncatingIfNeeded: symbols &+ length)
        }
    }

    /// Adds a symbol whose code has `length` bits, 1…15, above all that were added before.
    @inline(__always) func append(_ symbol: Int, length: Int) {
        links[Int(ends[length])] = UInt16(truncatingIfNeeded: symbol)
        ends[length] = UInt16(truncatingIfNeeded: symbol)
        counts[length] &+= 1
    }

    /// Adds symbols whose codes have `length` bits, 1…15, above all that were added before.
    @inline(__always) func append(_ added: Range<Int>, length: Int) {
        guard added.lowerBound < added.upperBound else { return }
        var place = Int(ends[length])
        var symbol = added.lowerBound
        repeat {
            links[place] = UInt16(truncatingIfNeeded: symbol)
            place = symbol
            symbol &+= 1
        } while symbol < added.upperBound
        ends[length] = UInt16(truncatingIfNeeded: place)
        counts[length] &+= UInt16(truncatingIfNeeded: added.upperBound &- added.lowerBound)
    }

    /// Makes the code usable. False when codes collide, or do not use all bit patterns; one code of one bit, or
    /// none, is enough when the code `mayBeIncomplete`.
    @inline(__always)
    mutating func build(mayBeIncomplete: Bool, _ entry: (_ symbol: Int, _ length: Int) -> UInt32) -> Bool {
        var room = 1
        var longest = 0
        var used = 0
        for length in 1..<HuffmanCode.lengths {
            let codes = Int(counts[length])
            room = room &* 2 &- codes
            guard room >= 0 else { return false }
            guard codes > 0 else { continue }
            used &+= codes
            longest = length
        }
        guard room == 0 || (mayBeIncomplete && used <= 1 && longest <= 1) else { return false }
        fill(longest: longest, entry)
        return true
    }

    @inline(__always)
    private mutating func fill(longest: Int, _ entry: (_ symbol: Int, _ length: Int) -> UInt32) {
        let entries = entries
        let links = links
        var order = order
        entries[0] = HuffmanCode.absent
        var code: UInt32 = 0
        var size: UInt32 = 1
        for length in 1..<min(longest, tableBits) &+ 1 {
            HuffmanCode.double(entries, size)
            size &*= 2
            let end = Int(ends[length])
            var place = symbols &+ length
            while place != end {
                place = Int(links[place])
                order.pointee = UInt16(truncatingIfNeeded: place)
                order += 1
                entries[Int(truncatingIfNeeded: code)] = entry(place, length)
                code = HuffmanCode.successor(code, mask: size &- 1)
            }
        }
        table = Table(entries: entries, mask: UInt64(size &- 1))
        guard longest > tableBits else { return }
        for length in tableBits &+ 1..<longest &+ 1 {
            let end = Int(ends[length])
            var place = symbols &+ length
            while place != end {
                place = Int(links[place])
                order.pointee = UInt16(truncatingIfNeeded: place)
                order += 1
            }
        }
    }

    /// Makes this the fixed code of literals (RFC 1951, 3.2.6), without lists; nothing in it needs a search.
    ///
    /// Its codes have seven to nine bits: each prefix of seven decides four entries of a table of nine bits.
    @inline(__always)
    mutating func buildFixedLiterals(_ entry: (_ symbol: Int, _ length: Int) -> UInt32) {
        removeAll()
        var code: UInt32 = 0
        for prefix in 0..<128 {
            let at = entries + Int(truncatingIfNeeded: code)
            if prefix < 24 {
                let one = entry(256 &+ prefix, 7)
                at[0] = one
                at[128] = one
                at[256] = one
                at[384] = one
            } else if prefix < 100 {
                let symbol = prefix < 96 ? 2 &* prefix &- 48 : 2 &* prefix &+ 88
                let (even, odd) = (entry(symbol, 8), entry(symbol &+ 1, 8))
                at[0] = even
                at[128] = odd
                at[256] = even
                at[384] = odd
            } else {
                let symbol = 4 &* prefix &- 256
                at[0] = entry(symbol, 9)
                at[256] = entry(symbol &+ 1, 9)
                at[128] = entry(symbol &+ 2, 9)
                at[384] = entry(symbol &+ 3, 9)
            }
            code = HuffmanCode.successor(code, mask: 127)
        }
        table = Table(entries: entries, mask: 511)
    }

    /// The code after `code`; codes count upwards from their first bit, which is the lowest here. Behind the last
    /// code of a complete set this is nothing of use.
    @inline(__always) private static func successor(_ code: UInt32, mask: UInt32) -> UInt32 {
        let highest: UInt32 = 0x8000_0000 &>> UInt32((code ^ mask).leadingZeroBitCount)
        return code & (highest &- 1) | highest
    }

    /// Copies the first `size` entries behind themselves; below four also some that do not count yet.
    @inline(__always)
    private static func double(_ entries: UnsafeMutablePointer<UInt32>, _ size: UInt32) {
        var from = UnsafeMutableRawPointer(entries)
        let end = from + Int(truncatingIfNeeded: size &* 4)
        var to = end
        repeat {
            to.storeBytes(of: from.loadUnaligned(as: SIMD4<UInt32>.self), as: SIMD4<UInt32>.self)
            from += 16
            to += 16
        } while from < end
    }

    /// The symbol whose code `window` starts with, and the length of the code; nil when there is none.
    func search(_ window: UInt64) -> (symbol: Int, length: Int)? {
        var code = 0
        var first = 0
        var index = 0
        for length in 1..<HuffmanCode.lengths {
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
