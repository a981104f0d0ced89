/// Turns unfiltered rows of any colour type and depth into 8-bit grey or RGB pixels.
struct PNGSamples {
    private let header: PNGHeader
    private let palette: [UInt8]

    init(_ header: PNGHeader, palette: [UInt8]) {
        self.header = header
        self.palette = palette
    }

    /// Writes row `row` of `pass`, whose bytes start at `start`, to its places in `pixels`.
    func expand(
        _ rows: [UInt8], from start: Int, _ pass: PNGPass, row: Int, into pixels: inout [UInt8]
    ) throws(ImageError) {
        let channels = header.channels
        let samples = header.colour.samples
        let first = ((pass.y + row * pass.stepY) * header.width + pass.x) * channels
        let step = pass.stepX * channels
        if header.colour == .palette {
            for i in 0..<pass.width {
                let index = Int(sample(rows, start, i)) * 3
                guard index < palette.count else {
                    throw ImageError(.badPaletteIndex, offset: start + i * header.depth / 8)
                }
                for c in 0..<3 { pixels[first + i * step + c] = palette[index + c] }
            }
        } else if header.depth == 8 {
            for i in 0..<pass.width {
                for c in 0..<channels { pixels[first + i * step + c] = rows[start + i * samples + c] }
            }
        } else if header.depth == 16 {
            for i in 0..<pass.width {
                for c in 0..<channels {
                    let at = start + (i * samples + c) * 2
                    let value = Int(rows[at]) << 8 | Int(rows[at + 1])
                    // round(value * 255 / 65535)
                    pixels[first + i * step + c] = UInt8((value + 128) / 257)
                }
            }
        } else {
            let scale = 255 / (1 << header.depth - 1)
            for i in 0..<pass.width { pixels[first + i * step] = UInt8(Int(sample(rows, start, i)) * scale) }
        }
    }

    /// Sample `i` of a row of one sample a pixel and at most eight bits.
    @inline(__always) private func sample(_ rows: [UInt8], _ start: Int, _ i: Int) -> UInt8 {
        let depth = header.depth
        if depth == 8 { return rows[start + i] }
        let bit = i * depth
        return rows[start + bit / 8] >> UInt8(8 - depth - bit % 8) & UInt8(1 << depth - 1)
    }
}
