/// Turns unfiltered rows of any colour type and depth into 8-bit grey or RGB pixels.
///
/// As in `PNGFilter`, up to `PNGFilter.slack` bytes behind a row are read, so that whole words can be moved. As many
/// are written when rows come one after the other, but not when an earlier pass has written what follows.
struct PNGSamples: ~Copyable {
    private let header: PNGHeader
    /// RGB triples, and a byte more.
    private let palette: UnsafeMutablePointer<UInt8>
    private let colours: Int
    /// A row of samples of one byte each.
    private let wide: UnsafeMutablePointer<UInt8>

    init(_ header: PNGHeader, palette colours: [UInt8]) {
        self.header = header
        self.colours = colours.count / 3
        palette = .allocate(capacity: colours.count + 1 + header.width + PNGFilter.slack)
        wide = palette + colours.count + 1
        let target = UnsafeMutableRawPointer(palette)
        colours.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            target.copyMemory(from: start, byteCount: bytes.count)
        }
    }

    deinit { palette.deallocate() }

    /// Writes row `row` of `pass`, whose bytes are at `line`, to its places in `pixels`.
    ///
    /// Returns the place in `line` of the first index beyond the palette, or −1.
    func expand(
        _ line: UnsafePointer<UInt8>, _ pass: PNGPass, row: Int, into pixels: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let channels = header.channels
        let to = pixels + ((pass.y + row * pass.stepY) * header.width + pass.x) * channels
        let step = pass.stepX * channels
        if header.depth == 16 {
            words(line, to, step: step, count: pass.width)
            return -1
        }
        if header.depth < 8 { unpack(line, count: pass.width) }
        let from = header.depth < 8 ? UnsafePointer(wide) : line
        guard header.colour == .palette else {
            bytes(from, to, step: step, count: pass.width)
            return -1
        }
        let bad = lookUp(from, to, step: step, count: pass.width)
        return bad < 0 ? -1 : bad * header.depth / 8
    }

    /// Widens `count` samples of 1, 2 or 4 bits; those of grey are scaled to 0…255.
    private func unpack(_ line: UnsafePointer<UInt8>, count: Int) {
        let depth = header.depth
        let each = 8 / depth
        let top = UInt64(1 &<< depth &- 1)
        // A product with this has a copy of the byte in each byte, moved so that the sample of that byte, the first
        // one highest, is at the same place in all.
        var copies: UInt64 = 0
        for i in 0..<each { copies |= 1 &<< UInt64(i &* (8 &+ depth)) }
        let mask = top &* 0x0101_0101_0101_0101
        let scale = header.colour == .palette ? 1 : 255 / top
        let to = UnsafeMutableRawPointer(wide)
        var done = 0
        var next = line
        while done < count {
            let samples = (UInt64(next.pointee) &* copies) &>> UInt64(8 &- depth) & mask
            to.storeBytes(of: (samples &* scale).littleEndian, toByteOffset: done, as: UInt64.self)
            done &+= each
            next += 1
        }
    }

    /// Drops alpha where there is one.
    private func bytes(_ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, step: Int, count: Int)
    {
        let samples = header.colour.samples
        guard header.channels == 3 else {
            if samples == 1 && !header.isInterlaced { return PNGFilter.copy(from, to, count) }
            for i in 0..<count { to[i &* step] = from[i &* samples] }
            return
        }
        if !header.isInterlaced {
            let (from, to) = (UnsafeRawPointer(from), UnsafeMutableRawPointer(to))
            for i in 0..<count {
                let pixel = from.loadUnaligned(fromByteOffset: i &* samples, as: UInt32.self)
                to.storeBytes(of: pixel, toByteOffset: i &* 3, as: UInt32.self)
            }
            return
        }
        for i in 0..<count { move(from + i &* samples, to + i &* step) }
    }

    @inline(__always) private func move(_ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>) {
        to[0] = from[0]
        to[1] = from[1]
        to[2] = from[2]
    }

    private func words(_ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, step: Int, count: Int)
    {
        let channels = header.channels
        let samples = header.colour.samples
        for i in 0..<count {
            for c in 0..<channels {
                let at = (i &* samples &+ c) &* 2
                let value = UInt32(from[at]) &<< 8 | UInt32(from[at &+ 1])
                // round(value * 255 / 65535)
                to[i &* step &+ c] = UInt8(truncatingIfNeeded: (value &* 255 &+ 32_895) &>> 16)
            }
        }
    }

    /// The first pixel whose colour is not in the palette, or −1.
    private func lookUp(
        _ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, step: Int, count: Int
    ) -> Int {
        for i in 0..<count {
            let index = Int(from[i])
            guard index < colours else { return i }
            let colour = palette + index &* 3
            if !header.isInterlaced {
                let pixel = UnsafeRawPointer(colour).loadUnaligned(as: UInt32.self)
                UnsafeMutableRawPointer(to).storeBytes(of: pixel, toByteOffset: i &* 3, as: UInt32.self)
            } else {
                move(colour, to + i &* step)
            }
        }
        return -1
    }
}
