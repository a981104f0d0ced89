/// Turns inflated rows into the pixels of a picture: filters undone, samples brought to their places.
struct PNGRows: ~Copyable {
    private let header: PNGHeader
    private let samples: PNGSamples
    private let pixels: UnsafeMutablePointer<UInt8>
    /// Three lines of the widest row, each with `PNGFilter.slack`: zeros, and two that change places.
    private let lines: UnsafeMutablePointer<UInt8>
    private let lineBytes: Int

    /// `pixels` has room for the picture and `PNGFilter.slack` bytes.
    init(_ header: PNGHeader, palette: [UInt8], into pixels: UnsafeMutablePointer<UInt8>) {
        self.header = header
        self.pixels = pixels
        samples = PNGSamples(header, palette: palette)
        lineBytes = header.rowBytes(header.width) + PNGFilter.slack
        lines = .allocate(capacity: 3 * lineBytes)
        for i in stride(from: 0, to: lineBytes, by: 16) {
            UnsafeMutableRawPointer(lines + i).storeBytes(of: SIMD16(), as: SIMD16<UInt8>.self)
        }
    }

    deinit { lines.deallocate() }

    /// Reads the `header.dataBytes` bytes at `rows`, behind which as many as `PNGFilter.slack` must be readable.
    mutating func read(_ rows: UnsafePointer<UInt8>) -> ImageError? {
        // Eight-bit rows without alpha are pixels as they are.
        let isDirect =
            header.depth == 8 && header.colour.samples == header.channels
            && header.colour != .palette && !header.isInterlaced
        var offset = 0
        for number in 0..<header.passCount {
            guard let pass = header.pass(number) else { continue }
            let count = header.rowBytes(pass.width)
            var above = UnsafePointer(lines)
            for y in 0..<pass.height {
                let line = isDirect ? pixels + y * count : lines + (1 + y & 1) * lineBytes
                guard
                    PNGFilter.undo(
                        rows + offset, above: above, into: line, count: count, distance: header.filterDistance
                    )
                else { return ImageError(.badFilter, offset: offset) }
                above = UnsafePointer(line)
                offset += 1
                if !isDirect {
                    let bad = samples.expand(line, pass, row: y, into: pixels)
                    guard bad < 0 else { return ImageError(.badPaletteIndex, offset: offset + bad) }
                }
                offset += count
            }
        }
        return nil
    }
}
