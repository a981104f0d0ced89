import Digests

/// Decodes PNG files (ISO/IEC 15948) of every colour type, bit depth and interlace method.
public enum PNG {
    /// The picture as 8-bit grey or RGB: deeper samples rounded, palettes looked up, alpha dropped.
    ///
    /// Every chunk's CRC-32 and the Adler-32 of the data are checked; ancillary chunks are skipped; bytes after
    /// IEND are ignored. Sizes are compared with `limits` before memory is taken, and data that inflate to more
    /// than the header promises are refused.
    public static func decode(_ bytes: [UInt8], limits: ImageLimits) throws(ImageError) -> PixelImage {
        let file = try PNGChunks(bytes, limits: limits)
        let header = file.header
        let expected = header.dataBytes
        // Deflate cannot make more than 1,032 bytes of one.
        guard expected / 1_032 <= file.dataBytes else {
            throw ImageError(
                .tooLittleData(expected: expected, found: file.dataBytes), offset: file.dataOffset)
        }
        let rows = UnsafeMutablePointer<UInt8>.allocate(capacity: expected + Inflater.slack)
        defer { rows.deallocate() }
        let stream = file.joinedData(bytes, slack: BitReader.slack)
        let found = try Zlib.inflate(padded: stream, into: rows, limit: expected)
        guard found == expected else {
            throw ImageError(.tooLittleData(expected: expected, found: found), offset: file.dataOffset)
        }
        let count = header.width * header.height * header.channels
        var error: ImageError?
        let pixels = [UInt8](unsafeUninitializedCapacity: count + PNGFilter.slack) { buffer, initialized in
            guard let target = buffer.baseAddress else { return }
            var picture = PNGRows(header, palette: file.palette, into: target)
            error = picture.read(rows)
            initialized = error == nil ? count : 0
        }
        if let error { throw error }
        return PixelImage(
            width: header.width, height: header.height, channels: header.channels, pixels: pixels)
    }
}
