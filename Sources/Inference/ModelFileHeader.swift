import Digests

/// Header and section table of a .deai file; the hashes of the sections are yet to be compared.
struct ModelFileHeader {
    struct Section {
        /// In the file, as the length.
        let offset: UInt64
        let length: UInt64
        let sha256: [UInt8]

        var end: UInt64 { offset + length }
    }

    /// Header and table are never longer.
    static let maximumBytes =
        ModelFileLayout.headerBytes + ModelFileLayout.maximumSections * ModelFileLayout.sectionEntryBytes

    /// The four required sections first, without gaps to the end of the file.
    let sections: [Section]
    let minorVersion: Int

    /// From the first `maximumBytes` of a file of `fileBytes`, or all of a shorter one.
    init(_ head: [UInt8], fileBytes: UInt64) throws(ModelFileError) {
        typealias Layout = ModelFileLayout
        for i in 0..<min(8, head.count) where head[i] != Layout.magic[i] {
            throw ModelFileError(.notAModelFile, offset: i)
        }
        var reader = ByteReader(head, 0..<head.count)
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
        let found = Int(clamping: fileBytes)
        guard length <= fileBytes else {
            throw ModelFileError(.truncated(expected: Int(clamping: length), found: found), offset: found)
        }
        guard length == fileBytes else {
            throw ModelFileError(.trailingBytes(Int(clamping: fileBytes - length)), offset: Int(clamping: length))
        }
        guard try reader.u64() == 0 else { throw ModelFileError(.reservedNotZero, offset: 24) }
        let expected = try reader.data(32)
        let tableEnd = Layout.headerBytes + count * Layout.sectionEntryBytes
        _ = try reader.take(count * Layout.sectionEntryBytes)
        var hasher = SHA256()
        head.withUnsafeBytes { raw in
            hasher.update(UnsafeRawBufferPointer(rebasing: raw[..<Layout.hashOffset]))
            hasher.update(UnsafeRawBufferPointer(rebasing: raw[Layout.headerBytes..<tableEnd]))
        }
        guard hasher.finalize() == expected else {
            throw ModelFileError(.hashMismatch(section: 0), offset: Layout.hashOffset)
        }
        sections = try ModelFileHeader.table(head, count: count, from: tableEnd, fileBytes: fileBytes)
    }

    private static func table(
        _ head: [UInt8], count: Int, from start: Int, fileBytes: UInt64
    ) throws(ModelFileError) -> [Section] {
        var reader = ByteReader(head, ModelFileLayout.headerBytes..<start)
        var sections: [Section] = []
        var offset = UInt64(start)
        for section in 1...count {
            let entry = reader.position
            let kind = try reader.u32()
            let reserved = try reader.u32()
            let length = try reader.u64()
            let sha256 = try reader.data(32)
            guard section > ModelFileLayout.requiredSections || kind == UInt32(section) else {
                throw ModelFileError(.badSection(section: section), offset: entry)
            }
            guard reserved == 0 else { throw ModelFileError(.reservedNotZero, offset: entry + 4) }
            guard length <= fileBytes - offset else {
                throw ModelFileError(.badSection(section: section), offset: entry + 8)
            }
            sections.append(Section(offset: offset, length: length, sha256: sha256))
            offset += length
        }
        guard offset == fileBytes else {
            throw ModelFileError(.trailingBytes(Int(clamping: fileBytes - offset)), offset: Int(clamping: offset))
        }
        return sections
    }

    /// Compares the hash of section `index` (0-based) with the table; `bytes` hold the file up to its end at least.
    func verify(_ index: Int, in bytes: [UInt8]) throws(ModelFileError) {
        let range = Int(sections[index].offset)..<Int(sections[index].end)
        let found = bytes.withUnsafeBytes { SHA256.hash(UnsafeRawBufferPointer(rebasing: $0[range])) }
        guard found == sections[index].sha256 else {
            throw ModelFileError(.hashMismatch(section: index + 1), offset: range.lowerBound)
        }
    }
}
