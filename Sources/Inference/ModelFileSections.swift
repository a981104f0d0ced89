/// The sections of a whole .deai file in memory, with every hash verified.
struct ModelFileSections {
    /// The four required sections in order.
    let ranges: [Range<Int>]
    let minorVersion: Int

    init(_ bytes: [UInt8]) throws(ModelFileError) {
        let head = bytes.count <= ModelFileHeader.maximumBytes
            ? bytes : [UInt8](bytes[..<ModelFileHeader.maximumBytes])
        let header = try ModelFileHeader(head, fileBytes: UInt64(bytes.count))
        var ranges: [Range<Int>] = []
        for index in header.sections.indices {
            try header.verify(index, in: bytes)
            ranges.append(Int(header.sections[index].offset)..<Int(header.sections[index].end))
        }
        self.ranges = ranges
        minorVersion = header.minorVersion
    }
}
