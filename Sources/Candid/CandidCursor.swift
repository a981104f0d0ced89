/// Reads the values of a message whose types are known, one after the other and without making `CandidValue`s.
///
/// It is for hot paths: the caller reads in the order of the types, record fields by ascending id.
public struct CandidCursor {
    private var reader: ByteReader

    /// Starts after the header, which must be that of the signature (`CandidSignature.begins`).
    public init(_ message: [UInt8], after signature: CandidSignature) {
        reader = ByteReader(message)
        reader.move(to: signature.header.count)
    }

    /// The index of a variant's case among `cases`, which are in ascending order of their ids.
    public mutating func variant(cases: Int) throws(CandidError) -> Int {
        let start = reader.offset
        let index = try reader.unsigned()
        guard index < UInt64(cases) else { throw CandidError(.badTag, at: start) }
        return Int(index)
    }

    /// Whether an `opt` has contents, which then follow.
    public mutating func option() throws(CandidError) -> Bool {
        try variant(cases: 2) == 1
    }

    public mutating func nat32() throws(CandidError) -> UInt32 { try reader.fixedWidth(UInt32.self) }

    /// The number of elements of a vector, each of which takes at least this many bytes.
    public mutating func count(minimumBytes: Int) throws(CandidError) -> Int {
        try reader.count(minimumBytes: minimumBytes)
    }

    public mutating func blob() throws(CandidError) -> [UInt8] { try reader.sized() }

    /// The message must end here.
    public func finish() throws(CandidError) {
        guard reader.remaining == 0 else { throw CandidError(.trailingBytes, at: reader.offset) }
    }
}

/// Writes the values of a message whose types are known, one after the other; the counterpart of `CandidCursor`.
public struct CandidWriter {
    public private(set) var bytes: [UInt8]

    /// Starts with the header of the signature; `capacity` is an estimate of the bytes after it.
    public init(_ signature: CandidSignature, capacity: Int) {
        bytes = []
        bytes.reserveCapacity(signature.header.count + capacity)
        bytes += signature.header
    }

    /// The position of a variant's case, the number of elements of a vector, or 0 and 1 for an `opt`.
    public mutating func index(_ value: Int) { LEB128.append(UInt64(value), to: &bytes) }

    public mutating func nat32(_ value: UInt32) {
        bytes.append(UInt8(truncatingIfNeeded: value))
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value >> 16))
        bytes.append(UInt8(truncatingIfNeeded: value >> 24))
    }

    public mutating func int32(_ value: Int32) { nat32(UInt32(bitPattern: value)) }
    public mutating func float32(_ value: Float) { nat32(value.bitPattern) }

    public mutating func nat64(_ value: UInt64) {
        nat32(UInt32(truncatingIfNeeded: value))
        nat32(UInt32(truncatingIfNeeded: value >> 32))
    }

    /// A blob, or a text that is known to be UTF-8.
    public mutating func sized(_ value: [UInt8]) {
        index(value.count)
        bytes += value
    }

    /// Overwrites a nat64 that was written at `offset`.
    public mutating func patch(nat64 value: UInt64, at offset: Int) {
        for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
    }
}
