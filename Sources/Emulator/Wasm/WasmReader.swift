/// Why a module is not acceptable, with the byte offset in the uncompressed module where it shows.
public struct WasmError: Error, Equatable, Sendable, CustomStringConvertible {
    public var offset: Int
    public var reason: String

    public init(_ reason: String, at offset: Int) {
        self.offset = offset
        self.reason = reason
    }

    public var description: String { "\(reason) (at byte \(offset))" }
}

/// A cursor over the bytes of a module; every read is checked against the end.
struct WasmReader {
    let bytes: UnsafeBufferPointer<UInt8>
    var position: Int
    var end: Int

    init(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    var isAtEnd: Bool { position >= end }

    @inline(__always)
    mutating func byte() throws(WasmError) -> UInt8 {
        guard position < end else { throw WasmError("unexpected end", at: position) }
        let value = bytes[position]
        position += 1
        return value
    }

    @inline(__always)
    mutating func u32() throws(WasmError) -> UInt32 {
        if position < end, bytes[position] < 0x80 {
            let value = bytes[position]
            position += 1
            return UInt32(value)
        }
        return try longU32()
    }

    @inline(never)
    private mutating func longU32() throws(WasmError) -> UInt32 {
        let start = position
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            let next = try byte()
            value |= UInt64(next & 0x7f) << UInt64(shift)
            if next < 0x80 {
                guard value <= UInt32.max else { break }
                return UInt32(value)
            }
        }
        throw WasmError("integer too large", at: start)
    }

    mutating func u64() throws(WasmError) -> UInt64 {
        let start = position
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 70, by: 7) {
            let next = try byte()
            if shift == 63, next > 1 { break }
            value |= UInt64(next & 0x7f) << UInt64(shift)
            if next < 0x80 { return value }
        }
        throw WasmError("integer too large", at: start)
    }

    /// Signed LEB128 of at most 64 bits.
    mutating func s64() throws(WasmError) -> Int64 {
        let start = position
        var value: Int64 = 0
        var shift: Int64 = 0
        while shift < 70 {
            let next = try byte()
            value |= Int64(next & 0x7f) << shift
            shift += 7
            if next < 0x80 {
                if shift < 64, next & 0x40 != 0 { value |= -1 << shift }
                return value
            }
        }
        throw WasmError("integer too large", at: start)
    }

    /// Skips one LEB128 integer of any sign.
    @inline(__always)
    mutating func skipInteger() throws(WasmError) {
        while try byte() >= 0x80 {}
    }

    @inline(__always)
    mutating func skip(_ count: Int) throws(WasmError) {
        guard count <= end - position else { throw WasmError("unexpected end", at: position) }
        position += count
    }

    mutating func range(_ count: Int) throws(WasmError) -> Range<Int> {
        guard count <= end - position else { throw WasmError("length runs past the end", at: position) }
        defer { position += count }
        return position..<position + count
    }

    mutating func name() throws(WasmError) -> [UInt8] {
        let length = try u32()
        return Array(bytes[try range(Int(length))])
    }

    /// Skips a constant expression up to and including its `end`; returns its only constant when it is one.
    mutating func constant() throws(WasmError) -> UInt64? {
        var value: UInt64?
        var operators = 0
        while true {
            let start = position
            switch try byte() {
            case 0x0b: return operators == 1 ? value : nil
            case 0x41, 0x42:
                value = UInt64(bitPattern: try s64())
            case 0x43: try skip(4)
            case 0x44: try skip(8)
            case 0x23, 0xd2: _ = try u32()
            case 0xd0: try skipInteger()
            case 0xfd where try u32() == 12: try skip(16)
            case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: break
            default: throw WasmError("operator not allowed in a constant expression", at: start)
            }
            operators += 1
        }
    }
}

/// Appends bytes and LEB128 integers of a module under construction.
struct WasmWriter {
    var bytes: [UInt8] = []

    @inline(__always)
    mutating func byte(_ value: UInt8) { bytes.append(value) }

    @inline(__always)
    mutating func append(_ slice: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: slice[range]))
    }

    @inline(__always)
    mutating func u32(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func u64(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func s64(_ value: Int64) {
        var rest = value
        while true {
            let low = UInt8(truncatingIfNeeded: rest & 0x7f)
            rest >>= 7
            if (rest == 0 && low & 0x40 == 0) || (rest == -1 && low & 0x40 != 0) {
                bytes.append(low)
                return
            }
            bytes.append(low | 0x80)
        }
    }

    mutating func name(_ text: String) {
        let utf8 = Array(text.utf8)
        u32(UInt32(utf8.count))
        bytes.append(contentsOf: utf8)
    }

    mutating func section(_ id: UInt8, _ content: WasmWriter) {
        byte(id)
        u32(UInt32(content.bytes.count))
        bytes.append(contentsOf: content.bytes)
    }
}

/// As `WasmWriter`, for the code section: grows by hand and is not checked at each byte. Ends with `deallocate`.
struct CodeWriter {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int) {
        self.capacity = max(256, capacity)
        base = .allocate(capacity: self.capacity)
    }

    func deallocate() { base.deallocate() }

    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

    /// Makes room for that many bytes, which the calls until the next reservation may write.
    @inline(__always)
    mutating func reserve(_ more: Int) {
        if capacity - count < more { grow(more) }
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        capacity = max(2 * capacity, count + more)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
    }

    @inline(__always)
    mutating func byte(_ value: UInt8) {
        base[count] = value
        count &+= 1
    }

    @inline(__always)
    mutating func u32(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            byte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        byte(UInt8(truncatingIfNeeded: rest))
    }

    /// A natural number below 2^62 as a signed LEB128.
    @inline(__always)
    mutating func positive(_ value: UInt64) {
        var rest = value
        while rest >= 0x40 {
            byte(UInt8(truncatingIfNeeded: rest & 0x7f) | 0x80)
            rest >>= 7
        }
        byte(UInt8(truncatingIfNeeded: rest))
    }

    /// Copies a part of the source; reserves for itself and for `spare` bytes more.
    @inline(__always)
    mutating func append(_ source: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, spare: Int) {
        reserve(range.count + spare)
        (base + count).update(from: source.baseAddress! + range.lowerBound, count: range.count)
        count &+= range.count
    }

    /// Place of a size that is filled in later, in five bytes.
    mutating func sizePlace() -> Int {
        reserve(5)
        count += 5
        return count - 5
    }

    func fillSize(at place: Int, _ size: Int) {
        var rest = size
        for index in 0..<5 {
            base[place + index] = UInt8(rest & 0x7f) | (index < 4 ? 0x80 : 0)
            rest >>= 7
        }
    }
}
