/// Bits of a buffer, lowest first; never reads past the end.
struct BitReader {
    private let start: UnsafePointer<UInt8>
    private let count: Int
    private var next: Int
    private var hold: UInt64 = 0
    private var held = 0

    /// `bytes` is not empty and outlives the reader.
    init(_ bytes: UnsafeBufferPointer<UInt8>, from offset: Int) {
        guard let base = bytes.baseAddress else { preconditionFailure("bytes to read") }
        start = base
        count = bytes.count
        next = offset
    }

    /// Offset of the first byte of which no bit has been taken.
    var byteOffset: Int { next - held / 8 }

    /// The bits that come next; above those that exist, zeros.
    var peeked: UInt32 { UInt32(truncatingIfNeeded: hold) }

    /// Holds at least 32 bits as long as there are so many.
    @inline(__always) mutating func fill() {
        guard held < 32 else { return }
        if count &- next >= 4 {
            let word = UnsafeRawPointer(start).loadUnaligned(fromByteOffset: next, as: UInt32.self)
            hold |= UInt64(UInt32(littleEndian: word)) &<< UInt64(held)
            next &+= 4
            held &+= 32
        } else {
            while held <= 32, next < count {
                hold |= UInt64(start[next]) &<< UInt64(held)
                next &+= 1
                held &+= 8
            }
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
        guard drop(count) else { throw ImageError(.badCompression, offset: self.count) }
        return value
    }

    mutating func alignToByte() { _ = drop(held % 8) }

    /// The next `count` bytes, which are thereby taken; only after `alignToByte`.
    mutating func takeBytes(_ count: Int) -> UnsafePointer<UInt8>? {
        let offset = byteOffset
        guard count <= self.count - offset else { return nil }
        next = offset + count
        hold = 0
        held = 0
        return start + offset
    }
}
