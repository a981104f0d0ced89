/// Reads a message from front to back; every read is checked and throws the offset of what it was about to read.
struct ByteReader {
    let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var remaining: Int { bytes.count - offset }

    mutating func byte() throws(CandidError) -> UInt8 {
        guard offset < bytes.count else { throw CandidError(.truncated, at: offset) }
        offset += 1
        return bytes[offset - 1]
    }

    /// `count` bytes as a copy.
    mutating func take(_ count: Int) throws(CandidError) -> [UInt8] {
        let start = offset
        try skip(count)
        return copy(of: bytes, start..<offset)
    }

    mutating func skip(_ count: Int) throws(CandidError) {
        guard count <= remaining else { throw CandidError(.truncated, at: offset) }
        offset += count
    }

    /// Goes to an offset of a byte that was checked before.
    mutating func move(to checked: Int) {
        offset = checked
    }

    /// A little-endian integer.
    mutating func fixedWidth<Integer: FixedWidthInteger>(_: Integer.Type) throws(CandidError) -> Integer {
        let width = Integer.bitWidth / 8
        guard width <= remaining else { throw CandidError(.truncated, at: offset) }
        var value: Integer = 0
        for index in 0..<width {
            value |= Integer(truncatingIfNeeded: bytes[offset + index]) << Integer(8 * index)
        }
        offset += width
        return value
    }

    /// An unsigned LEB128 integer below 2⁶⁴; over-long forms are accepted.
    mutating func unsigned() throws(CandidError) -> UInt64 {
        let start = offset
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            let low = UInt64(next & 0x7f)
            if low != 0 {
                guard shift < 64, (low << shift) >> shift == low else {
                    throw CandidError(.badInteger, at: start)
                }
                value |= low << shift
            }
            if next & 0x80 == 0 { return value }
            shift += 7
        }
    }

    /// A count of things of which each takes at least `minimumBytes` of what is left.
    mutating func count(minimumBytes: Int) throws(CandidError) -> Int {
        let start = offset
        let value = try unsigned()
        guard let count = Int(exactly: value), minimumBytes == 0 || count <= remaining / minimumBytes else {
            throw CandidError(.truncated, at: start)
        }
        return count
    }

    /// A signed LEB128 integer, which must fit 64 bits; over-long forms are accepted.
    mutating func signed() throws(CandidError) -> Int64 {
        let start = offset
        guard let value = try integer(isSigned: true).asInt64 else {
            throw CandidError(.badInteger, at: start)
        }
        return value
    }

    /// An unbounded LEB128 integer, signed or unsigned; over-long forms are accepted.
    mutating func integer(isSigned: Bool) throws(CandidError) -> CandidInteger {
        let start = offset
        while try byte() & 0x80 != 0 {}
        return LEB128.integer(bytes[start..<offset], isSigned: isSigned)
    }

    /// Bytes with their length before them.
    mutating func sized() throws(CandidError) -> [UInt8] {
        try take(count(minimumBytes: 1))
    }

    /// A text with its length before it, checked to be UTF-8.
    mutating func text() throws(CandidError) -> [UInt8] {
        let start = offset
        let text = try sized()
        guard isValidUTF8(text) else { throw CandidError(.badText, at: start) }
        return text
    }
}

/// Some of the bytes, in one move of memory.
///
/// Typed copies (`update`, `Array` of a slice, `+=`) go byte by byte in Embedded Swift and cost 13 to 26 instructions
/// each; a raw one costs one.
func copy(of bytes: [UInt8], _ range: Range<Int>) -> [UInt8] {
    bytes.withUnsafeBytes { all in
        let part = UnsafeRawBufferPointer(rebasing: all[range])
        return [UInt8](unsafeUninitializedCapacity: part.count) { buffer, count in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: part)
            count = part.count
        }
    }
}

/// Whether the bytes are well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
func isValidUTF8(_ bytes: [UInt8]) -> Bool {
    var index = 0
    while index < bytes.count {
        let lead = bytes[index]
        index += 1
        if lead < 0x80 { continue }
        let more: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch lead {
        case 0xc2...0xdf: more = 1
        case 0xe0: (more, second) = (2, 0xa0...0xbf)
        case 0xed: (more, second) = (2, 0x80...0x9f)
        case 0xe1...0xef: more = 2
        case 0xf0: (more, second) = (3, 0x90...0xbf)
        case 0xf1...0xf3: more = 3
        case 0xf4: (more, second) = (3, 0x80...0x8f)
        default: return false
        }
        guard bytes.count - index >= more, second.contains(bytes[index]) else { return false }
        for next in 1..<more where bytes[index + next] & 0xc0 != 0x80 { return false }
        index += more
    }
    return true
}
