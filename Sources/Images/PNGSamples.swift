/// Turns unfiltered rows of any colour type and depth into 8-bit grey or RGB pixels.
struct PNGSamples {
    private let header: PNGHeader
    private let palette: [UInt8]

    init(_ header: PNGHeader, palette: [UInt8]) {
        self.header = header
        self.palette = palette
    }

    /// Writes row `row` of `pass`, whose bytes are at `line`, to its places in `pixels`.
    ///
    /// Returns the place in `line` of the first index beyond the palette, or −1.
    func expand(
        _ line: UnsafePointer<UInt8>, _ pass: PNGPass, row: Int, into pixels: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let channels = header.channels
        let to = pixels + ((pass.y + row * pass.stepY) * header.width + pass.x) * channels
        let step = pass.stepX * channels
        if header.colour == .palette {
            let bad = lookUp(line, to, step: step, count: pass.width)
            return bad < 0 ? -1 : bad * header.depth / 8
        }
        switch header.depth {
        case 8: bytes(line, to, step: step, count: pass.width)
        case 16: words(line, to, step: step, count: pass.width)
        default: bits(line, to, step: step, count: pass.width)
        }
        return -1
    }

    private func bytes(_ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, step: Int, count: Int)
    {
        let channels = header.channels
        let samples = header.colour.samples
        for i in 0..<count {
            for c in 0..<channels { to[i &* step &+ c] = from[i &* samples &+ c] }
        }
    }

    private func words(_ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, step: Int, count: Int)
    {
        let channels = header.channels
        let samples = header.colour.samples
        for i in 0..<count {
            for c in 0..<channels {
                let at = (i &* samples &+ c) &* 2
                let value = UInt32(from[at]) << 8 | UInt32(from[at &+ 1])
                // round(value * 255 / 65535)
                to[i &* step &+ c] = UInt8(truncatingIfNeeded: (value &+ 128) / 257)
            }
        }
    }

    private func bits(_ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, step: Int, count: Int)
    {
        let scale = UInt8(255 / (1 << header.depth - 1))
        for i in 0..<count { to[i &* step] = sample(from, i) &* scale }
    }

    /// The first pixel whose colour is not in the palette, or −1.
    private func lookUp(
        _ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, step: Int, count: Int
    ) -> Int {
        for i in 0..<count {
            let index = Int(sample(from, i)) * 3
            guard index < palette.count else { return i }
            for c in 0..<3 { to[i &* step &+ c] = palette[index + c] }
        }
        return -1
    }

    /// Sample `i` of a row of one sample a pixel and at most eight bits.
    @inline(__always) private func sample(_ from: UnsafePointer<UInt8>, _ i: Int) -> UInt8 {
        let depth = header.depth
        if depth == 8 { return from[i] }
        let bit = i &* depth
        return from[bit &>> 3] &>> UInt8(8 &- depth &- (bit & 7)) & UInt8(1 &<< depth &- 1)
    }
}
