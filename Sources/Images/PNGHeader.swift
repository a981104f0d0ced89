/// The IHDR of a PNG file, checked.
struct PNGHeader {
    enum Colour: UInt8 {
        case grey = 0
        case rgb = 2
        case palette = 3
        case greyAlpha = 4
        case rgba = 6

        var samples: Int {
            switch self {
            case .grey, .palette: 1
            case .greyAlpha: 2
            case .rgb: 3
            case .rgba: 4
            }
        }

        func allows(depth: Int) -> Bool {
            switch self {
            case .grey: depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16
            case .palette: depth == 1 || depth == 2 || depth == 4 || depth == 8
            case .rgb, .greyAlpha, .rgba: depth == 8 || depth == 16
            }
        }
    }

    let width: Int
    let height: Int
    let depth: Int
    let colour: Colour
    let isInterlaced: Bool

    /// From the 13 bytes at `start`.
    init(_ bytes: [UInt8], at start: Int, limits: ImageLimits) throws(ImageError) {
        let width = PNGHeader.number(bytes, start)
        let height = PNGHeader.number(bytes, start + 4)
        depth = Int(bytes[start + 8])
        guard let colour = Colour(rawValue: bytes[start + 9]), colour.allows(depth: depth),
            bytes[start + 10] == 0, bytes[start + 11] == 0, bytes[start + 12] <= 1
        else { throw ImageError(.badHeader, offset: start + 8) }
        self.colour = colour
        isInterlaced = bytes[start + 12] == 1
        guard width > 0, height > 0, width < 1 << 31, height < 1 << 31 else {
            throw ImageError(.badHeader, offset: start)
        }
        guard width <= UInt32(limits.maximumWidth), height <= UInt32(limits.maximumHeight),
            UInt64(width) * UInt64(height) <= UInt64(limits.maximumPixels)
        else {
            throw ImageError(.tooLarge(width: Int(width), height: Int(height)), offset: start)
        }
        self.width = Int(width)
        self.height = Int(height)
    }

    /// The big-endian number at `i`.
    static func number(_ bytes: [UInt8], _ i: Int) -> UInt32 {
        precondition(i >= 0 && i + 4 <= bytes.count, "four bytes")
        return bytes.withUnsafeBytes {
            UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: i, as: UInt32.self))
        }
    }

    /// Channels of the decoded picture.
    var channels: Int { colour == .grey || colour == .greyAlpha ? 1 : 3 }

    /// Bytes of one row of `width` pixels, without its filter byte.
    func rowBytes(_ width: Int) -> Int { (width * colour.samples * depth + 7) / 8 }

    /// Distance of the byte that filters look back to.
    var filterDistance: Int { max(1, colour.samples * depth / 8) }

    /// The pictures that follow each other in the data: one, or the seven of Adam7, of which some may be empty.
    var passCount: Int { isInterlaced ? 7 : 1 }

    /// Pass `number`; nil when no pixel is in it.
    func pass(_ number: Int) -> PNGPass? {
        guard isInterlaced else {
            return PNGPass(x: 0, y: 0, stepX: 1, stepY: 1, width: width, height: height)
        }
        let starts: InlineArray<7, (x: Int, y: Int, stepX: Int, stepY: Int)> = [
            (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
        ]
        let (x, y, stepX, stepY) = starts[number]
        guard x < width, y < height else { return nil }
        return PNGPass(
            x: x, y: y, stepX: stepX, stepY: stepY, width: (width - x + stepX - 1) / stepX,
            height: (height - y + stepY - 1) / stepY)
    }

    /// Bytes the inflated data must have.
    var dataBytes: Int {
        var count = 0
        for number in 0..<passCount {
            guard let pass = pass(number) else { continue }
            count += pass.height * (1 + rowBytes(pass.width))
        }
        return count
    }
}

/// Which pixels of the picture one pass holds.
struct PNGPass {
    let x: Int
    let y: Int
    let stepX: Int
    let stepY: Int
    let width: Int
    let height: Int
}
