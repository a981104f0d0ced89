import InternetComputer

/// Damage in the state directory: the database's bytes are not what this version writes.
public struct StateFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    public var offset: Int
    public var description: String {
        "The emulator's state is damaged or of another version (byte \(offset) of a record). "
            + "Run `deai-train emulator clean` to start afresh."
    }
}

/// Writes records of the state store: little-endian integers, lengths before sequences.
struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func u8(_ value: UInt8) { bytes.append(value) }
    mutating func bool(_ value: Bool) { bytes.append(value ? 1 : 0) }
    mutating func u64(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
    mutating func u32(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
    mutating func u128(_ value: UInt128) {
        u64(UInt64(truncatingIfNeeded: value))
        u64(UInt64(truncatingIfNeeded: value >> 64))
    }
    mutating func blob(_ value: some Collection<UInt8>) {
        u64(UInt64(value.count))
        bytes.append(contentsOf: value)
    }
    mutating func text(_ value: String) { blob(value.utf8) }
    mutating func principal(_ value: Principal) { blob(value.bytes) }
    mutating func list<T>(_ values: some Collection<T>, _ write: (inout ByteWriter, T) -> Void) {
        u64(UInt64(values.count))
        for value in values { write(&self, value) }
    }
    mutating func optional<T>(_ value: T?, _ write: (inout ByteWriter, T) -> Void) {
        bool(value != nil)
        if let value { write(&self, value) }
    }
}

/// Reads what `ByteWriter` wrote; every length is checked.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func u8() throws(StateFormatError) -> UInt8 {
        guard offset < bytes.count else { throw StateFormatError(offset: offset) }
        defer { offset += 1 }
        return bytes[offset]
    }
    mutating func bool() throws(StateFormatError) -> Bool { try u8() != 0 }
    mutating func u64() throws(StateFormatError) -> UInt64 {
        guard bytes.count - offset >= 8 else { throw StateFormatError(offset: offset) }
        defer { offset += 8 }
        return (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }
    mutating func u32() throws(StateFormatError) -> UInt32 {
        guard bytes.count - offset >= 4 else { throw StateFormatError(offset: offset) }
        defer { offset += 4 }
        return (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }
    mutating func u128() throws(StateFormatError) -> UInt128 {
        let low = try u64()
        return UInt128(try u64()) << 64 | UInt128(low)
    }
    mutating func blob() throws(StateFormatError) -> [UInt8] {
        let count = try u64()
        guard count <= UInt64(bytes.count - offset) else { throw StateFormatError(offset: offset) }
        defer { offset += Int(count) }
        return Array(bytes[offset..<offset + Int(count)])
    }
    mutating func text() throws(StateFormatError) -> String { String(decoding: try blob(), as: UTF8.self) }
    mutating func principal() throws(StateFormatError) -> Principal {
        let start = offset
        do { return try Principal(bytes: try blob()) } catch { throw StateFormatError(offset: start) }
    }
    mutating func list<T>(_ read: (inout ByteReader) throws(StateFormatError) -> T) throws(StateFormatError) -> [T] {
        let count = try u64()
        guard count <= UInt64(bytes.count - offset) else { throw StateFormatError(offset: offset) }
        var values: [T] = []
        for _ in 0..<count { values.append(try read(&self)) }
        return values
    }
    mutating func optional<T>(
        _ read: (inout ByteReader) throws(StateFormatError) -> T
    ) throws(StateFormatError) -> T? {
        try bool() ? try read(&self) : nil
    }
}
