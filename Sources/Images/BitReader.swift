/// Bits of a byte array, lowest first; never reads past the end.
struct BitReader {
    let bytes: [UInt8]
    private var next: Int
    private var hold: UInt64 = 0
    private var held = 0

    init(_ bytes: [UInt8], from start: Int) {
        self.bytes = bytes
        next = start
    }

    /// Offset of the first byte of which no bit has been taken.
    var byteOffset: Int { next - held / 8 }

    /// The bits that come next; above those that exist, zeros.
    var peeked: UInt32 { UInt32(truncatingIfNeeded: hold) }

    /// Holds at least 32 bits as long as there are so many.
    @inline(__always) mutating func fill() {
        while held <= 32, next < bytes.count {
            hold |= UInt64(bytes[next]) &<< UInt64(held)
            next &+= 1
            held &+= 8
        }
    }

    /// Takes `count` held bits away; false when they do not exist.
    @inline(__always) mutating func drop(_ count: Int) -> Bool {
        guard count <= held else { return false }
        hold &>>= UInt64(count)
        held &-= count
        return true
    }

    /// The next `count` bits, at most 16.
    @inline(__always) mutating func take(_ count: Int) throws(ImageError) -> UInt32 {
        fill()
        let value = peeked & (1 &<< UInt32(count) &- 1)
        guard drop(count) else { throw ImageError(.badCompression, offset: bytes.count) }
        return value
    }

    mutating func alignToByte() { _ = drop(held % 8) }

    /// The range of the next `count` bytes, which are thereby taken; only after `alignToByte`.
    mutating func takeBytes(_ count: Int) -> Range<Int>? {
        let start = byteOffset
        guard count <= bytes.count - start else { return nil }
        next = start + count
        hold = 0
        held = 0
        return start..<next
    }
}
