/// Bits of a buffer, lowest first, read by position.
///
/// There is nothing to refill: each step looks at a window of at least 57 bits and says how many it used, which is
/// cheapest where every instruction has a price. A window may lie up to `slack` bytes beyond the end, so that only
/// one comparison guards each of them.
struct BitReader {
    /// Bytes that must be readable behind the buffer, whatever they hold.
    static let slack = 16

    private let start: UnsafeRawPointer
    /// Of the buffer, in bits.
    private let end: Int
    /// Of the next bit.
    private var position: Int

    /// `count` bytes at `start` that outlive the reader, fewer than an eighth of `Int.max`.
    init(_ start: UnsafeRawPointer, count: Int, from offset: Int) {
        self.start = start
        end = count * 8
        position = offset * 8
    }

    /// Offset of the byte of the next bit.
    var byteOffset: Int { position &>> 3 }

    /// At least 57 bits from here on; throws when all bits were used before.
    @inline(__always) func window() throws(ImageError) -> UInt64 {
        guard position <= end else { throw ImageError(.badCompression, offset: end &>> 3) }
        return secondWindow()
    }

    /// `window` without its check, for at most 64 bits behind a window that was checked.
    @inline(__always) func secondWindow() -> UInt64 {
        let word = start.loadUnaligned(fromByteOffset: position &>> 3, as: UInt64.self)
        return UInt64(littleEndian: word) &>> UInt64(truncatingIfNeeded: position & 7)
    }

    @inline(__always) mutating func skip(_ count: Int) { position &+= count }

    /// The next `count` bits, at most 16.
    mutating func take(_ count: Int) throws(ImageError) -> Int {
        let bits = try window() & (1 &<< UInt64(count) &- 1)
        skip(count)
        return Int(bits)
    }

    mutating func alignToByte() { position = (position &+ 7) & ~7 }

    /// The next `count` bytes, which are thereby taken; only after `alignToByte`. Nil when there are not so many.
    mutating func takeBytes(_ count: Int) -> UnsafeRawPointer? {
        guard count <= (end - position) >> 3 else { return nil }
        let bytes = start + byteOffset
        position += count * 8
        return bytes
    }
}
