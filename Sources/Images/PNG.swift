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
        guard expected / 1_032 <= file.data.count else {
            throw ImageError(
                .tooLittleData(expected: expected, found: file.data.count), offset: file.dataOffset)
        }
        var rows = try Zlib.inflate(file.data, limit: expected)
        guard rows.count == expected else {
            throw ImageError(.tooLittleData(expected: expected, found: rows.count), offset: file.dataOffset)
        }
        var pixels = [UInt8](repeating: 0, count: header.width * header.height * header.channels)
        let samples = PNGSamples(header, palette: file.palette)
        var start = 0
        for pass in header.passes {
            let rowBytes = header.rowBytes(pass.width)
            for row in 0..<pass.height {
                try PNGFilter.undo(
                    &rows, row: start, count: rowBytes, distance: header.filterDistance, isFirst: row == 0)
                try samples.expand(rows, from: start + 1, pass, row: row, into: &pixels)
                start += rowBytes + 1
            }
        }
        return PixelImage(
            width: header.width, height: header.height, channels: header.channels, pixels: pixels)
    }
}
