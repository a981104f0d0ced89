import Digests

/// Header and section table of a .deai file, with every hash verified.
struct ModelFileSections {
    /// The four required sections in order.
    let ranges: [Range<Int>]
    let minorVersion: Int

    init(_ bytes: [UInt8]) throws(ModelFileError) {
        typealias Layout = ModelFileLayout
        for i in 0..<min(8, bytes.count) where bytes[i] != Layout.magic[i] {
            throw ModelFileError(.notAModelFile, offset: i)
        }
        var reader = ByteReader(bytes, 0..<bytes.count)
        _ = try reader.take(8)
        let major = try reader.u16()
        let minor = try reader.u16()
        guard major == Layout.major else {
            throw ModelFileError(.unsupportedVersion(major: major, minor: minor), offset: 8)
        }
        minorVersion = minor
        let count = try reader.count(limit: Layout.maximumSections)
        guard count >= Layout.requiredSections, minor > Layout.minor || count == Layout.requiredSections
        else {
            throw ModelFileError(.badSection(section: count), offset: 12)
        }
        let length = try reader.u64()
        guard length <= UInt64(bytes.count) else {
            throw ModelFileError(
                .truncated(expected: Int(clamping: length), found: bytes.count), offset: bytes.count)
        }
        guard length == UInt64(bytes.count) else {
            throw ModelFileError(.trailingBytes(bytes.count - Int(length)), offset: Int(length))
        }
        guard try reader.u64() == 0 else { throw ModelFileError(.reservedNotZero, offset: 24) }
        let expected = try reader.data(32)
        let tableEnd = Layout.headerBytes + count * Layout.sectionEntryBytes
        _ = try reader.take(count * Layout.sectionEntryBytes)
        var hasher = SHA256()
        bytes.withUnsafeBytes { raw in
            hasher.update(UnsafeRawBufferPointer(rebasing: raw[..<Layout.hashOffset]))
            hasher.update(UnsafeRawBufferPointer(rebasing: raw[Layout.headerBytes..<tableEnd]))
        }
        guard hasher.finalize() == expected else {
            throw ModelFileError(.hashMismatch(section: 0), offset: Layout.hashOffset)
        }
        ranges = try ModelFileSections.table(bytes, count: count, from: tableEnd)
    }

    private static func table(
        _ bytes: [UInt8], count: Int, from start: Int
    ) throws(ModelFileError) -> [Range<Int>] {
        var reader = ByteReader(bytes, ModelFileLayout.headerBytes..<start)
        var ranges: [Range<Int>] = []
        var offset = start
        for section in 1...count {
            let entry = reader.position
            let kind = try reader.u32()
            let reserved = try reader.u32()
            let length = try reader.u64()
            let expected = try reader.data(32)
            guard section > ModelFileLayout.requiredSections || kind == UInt32(section) else {
                throw ModelFileError(.badSection(section: section), offset: entry)
            }
            guard reserved == 0 else { throw ModelFileError(.reservedNotZero, offset: entry + 4) }
            guard length <= UInt64(bytes.count - offset) else {
                throw ModelFileError(.badSection(section: section), offset: entry + 8)
            }
            let range = offset..<offset + Int(length)
            let found = bytes.withUnsafeBytes { SHA256.hash(UnsafeRawBufferPointer(rebasing: $0[range])) }
            guard found == expected else {
                throw ModelFileError(.hashMismatch(section: section), offset: offset)
            }
            ranges.append(range)
            offset = range.upperBound
        }
        guard offset == bytes.count else {
            throw ModelFileError(.trailingBytes(bytes.count - offset), offset: offset)
        }
        return ranges
    }
}
