/// Takes little-endian numbers from a range of bytes; a typed error with the offset when they end.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var position: Int
    let end: Int

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    var remaining: Int { end - position }

    /// The offset of the next `count` bytes, which are thereby taken.
    mutating func take(_ count: Int) throws(ModelFileError) -> Int {
        guard count <= remaining else {
            throw ModelFileError(.truncated(expected: count, found: remaining), offset: position)
        }
        let start = position
        position += count
        return start
    }

    mutating func u8() throws(ModelFileError) -> UInt8 { bytes[try take(1)] }

    mutating func u16() throws(ModelFileError) -> Int {
        let p = try take(2)
        return Int(bytes[p]) | Int(bytes[p + 1]) << 8
    }

    mutating func i16() throws(ModelFileError) -> Int16 { Int16(truncatingIfNeeded: try u16()) }

    mutating func u32() throws(ModelFileError) -> UInt32 {
        let p = try take(4)
        return UInt32(bytes[p]) | UInt32(bytes[p + 1]) << 8 | UInt32(bytes[p + 2]) << 16
            | UInt32(bytes[p + 3]) << 24
    }

    mutating func u64() throws(ModelFileError) -> UInt64 {
        let low = try u32()
        return UInt64(low) | UInt64(try u32()) << 32
    }

    mutating func f32() throws(ModelFileError) -> Float { Float(bitPattern: try u32()) }

    mutating func data(_ count: Int) throws(ModelFileError) -> [UInt8] {
        let p = try take(count)
        return [UInt8](bytes[p..<p + count])
    }

    /// A reader of the next `count` bytes, which are thereby taken.
    mutating func part(_ count: Int) throws(ModelFileError) -> ByteReader {
        let start = try take(count)
        return ByteReader(bytes, start..<start + count)
    }

    /// A count that must not exceed `limit`.
    mutating func count(limit: Int) throws(ModelFileError) -> Int {
        let start = position
        let value = try u32()
        guard value <= UInt32(limit) else {
            throw ModelFileError(.countTooLarge(limit: limit, found: Int(clamping: value)), offset: start)
        }
        return Int(value)
    }

    mutating func i32s(_ count: Int) throws(ModelFileError) -> [Int32] {
        try checkRoom(count, bytesEach: 4)
        var values: [Int32] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(Int32(bitPattern: try u32())) }
        return values
    }

    mutating func f32s(_ count: Int) throws(ModelFileError) -> [Float] {
        try checkRoom(count, bytesEach: 4)
        var values: [Float] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try f32()) }
        return values
    }

    mutating func i8s(_ count: Int) throws(ModelFileError) -> [Int8] {
        let p = try take(count)
        return [Int8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for i in 0..<count { buffer[i] = Int8(bitPattern: bytes[p &+ i]) }
            initialized = count
        }
    }

    /// Nothing is allocated for numbers that are not there.
    private func checkRoom(_ count: Int, bytesEach: Int) throws(ModelFileError) {
        guard count <= remaining / bytesEach else {
            throw ModelFileError(.truncated(expected: count, found: remaining / bytesEach), offset: position)
        }
    }

    /// The section must end here.
    func finish(section: Int) throws(ModelFileError) {
        guard remaining == 0 else { throw ModelFileError(.badSection(section: section), offset: position) }
    }
}
