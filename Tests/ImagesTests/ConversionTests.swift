import Images
import Testing

@Suite struct ConversionTests {
    static func picture(_ width: Int, _ height: Int, _ channels: Int) -> PixelImage {
        PixelImage(
            width: width, height: height, channels: channels,
            pixels: (0..<width * height * channels).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 + $0 * 7) })
    }

    @Test("grey weights sum to one and follow the formula")
    func grey() {
        let image = PixelImage(
            width: 4, height: 1, channels: 3, pixels: [255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255])
        #expect(image.converted(channels: 1).pixels == [255, 77, 149, 29])
        #expect(image.converted(channels: 1).converted(channels: 3).pixels[3..<6] == [77, 77, 77])
        #expect(image.converted(channels: 3) == image)
    }

    @Test("the same size is the same picture", arguments: [1, 3], [1, 2, 7, 28])
    func identity(channels: Int, size: Int) {
        let image = Self.picture(size, size + 1, channels)
        #expect(image.resized(width: size, height: size + 1) == image)
    }

    @Test("a flat picture stays flat at any size", arguments: [1, 2, 3, 7, 28, 65], [1, 2, 3, 7, 28, 65])
    func flat(from: Int, to: Int) {
        let image = PixelImage(
            width: from, height: from, channels: 3, pixels: [UInt8](repeating: 201, count: from * from * 3))
        let other = image.resized(width: to, height: to)
        #expect(other.pixels == [UInt8](repeating: 201, count: to * to * 3))
    }

    /// The same filter in Double, direction by direction, rounded to 8 bits after each.
    static func reference(_ line: [UInt8], to count: Int) -> [Double] {
        let scale = Double(line.count) / Double(count)
        let reach = max(scale, 1)
        return (0..<count).map { x in
            let centre = (Double(x) + 0.5) * scale
            var sum = 0.0
            var total = 0.0
            for i in line.indices {
                let weight = max(0, 1 - abs(Double(i) + 0.5 - centre) / reach)
                sum += weight * Double(line[i])
                total += weight
            }
            return sum / total
        }
    }

    @Test("close to the filter in floating point", arguments: [1, 2, 3, 9, 28, 60], [1, 2, 3, 9, 28, 60])
    func triangle(from: Int, to: Int) {
        let image = Self.picture(from, 1, 1)
        let expected = Self.reference(image.pixels, to: to)
        let across = image.resized(width: to, height: 1).pixels
        let down = PixelImage(width: 1, height: from, channels: 1, pixels: image.pixels)
            .resized(width: 1, height: to).pixels
        #expect(across == down)
        for x in 0..<to { #expect(abs(Double(across[x]) - expected[x]) <= 0.51 + Double(from) / 128) }
    }

    @Test("the bits of the same filter in plain loops", arguments: [1, 3], [1, 2, 7, 8, 9, 28, 65, 300])
    func plainLoops(channels: Int, from: Int) {
        let image = Self.picture(from, from, channels)
        for to in [1, 2, 3, 5, 8, 9, 28, 64, 301] where to != from {
            let taps = ReferenceTaps(from: from, to: to)
            for (width, height) in [(to, from), (from, to)] {
                let found = image.resized(width: width, height: height).pixels
                var expected: [UInt8] = []
                for y in 0..<height {
                    for i in 0..<width * channels {
                        let (x, c) = (i / channels, i % channels)
                        expected.append(
                            width == to
                                ? taps.blend(x, image.pixels, start: y * from * channels + c, step: channels)
                                : taps.blend(y, image.pixels, start: i, step: from * channels))
                    }
                }
                #expect(found == expected, "\(from) to \(width)x\(height)")
            }
        }
    }

    @Test("mirrored in, mirrored out")
    func symmetry() {
        let image = Self.picture(31, 1, 1)
        let mirrored = PixelImage(width: 31, height: 1, channels: 1, pixels: image.pixels.reversed())
        let a = image.resized(width: 12, height: 1).pixels
        let b = mirrored.resized(width: 12, height: 1).pixels
        for x in 0..<12 { #expect(abs(Int(a[x]) - Int(b[11 - x])) <= 1) }
    }
}

/// For each output position the first input it looks at and its weights.
private struct ReferenceTaps {
    private let firsts: [Int]
    private let starts: [Int]
    private let weights: [Int32]

    private static let one: Int64 = 1 << 14

    /// Output x is centred at (2x + 1) * from / (2 * to) in input pixels; the triangle's half width is one output
    /// pixel when shrinking and one input pixel when growing. All positions are multiples of 1 / (2 * to).
    init(from: Int, to: Int) {
        var firsts: [Int] = []
        var starts = [0]
        var weights: [Int32] = []
        let reach = Int64(2 * max(from, to))
        for x in 0..<to {
            let centre = Int64(2 * x + 1) * Int64(from)
            var raw: [Int64] = []
            var first = 0
            var sum: Int64 = 0
            let lowest = max(0, (centre - reach) / Int64(2 * to) - 1)
            let highest = min(Int64(from - 1), (centre + reach) / Int64(2 * to) + 1)
            for i in lowest...highest {
                let place = (2 * i + 1) * Int64(to)
                let weight = reach - (place > centre ? place - centre : centre - place)
                guard weight > 0 else { continue }
                if raw.isEmpty { first = Int(i) }
                raw.append(weight)
                sum += weight
            }
            // Round each weight, and give what is left over to the largest.
            var left = ReferenceTaps.one
            var largest = 0
            var rounded: [Int64] = []
            for k in 0..<raw.count {
                rounded.append((raw[k] * ReferenceTaps.one * 2 + sum) / (2 * sum))
                left -= rounded[k]
                if raw[k] > raw[largest] { largest = k }
            }
            rounded[largest] += left
            firsts.append(first)
            for weight in rounded { weights.append(Int32(weight)) }
            starts.append(weights.count)
        }
        self.firsts = firsts
        self.starts = starts
        self.weights = weights
    }

    func blend(_ x: Int, _ pixels: [UInt8], start: Int, step: Int) -> UInt8 {
        var sum: Int32 = 1 << 13
        var at = start + firsts[x] * step
        for k in starts[x]..<starts[x + 1] {
            sum += weights[k] * Int32(pixels[at])
            at += step
        }
        return UInt8(min(max(sum >> 14, 0), 255))
    }
}
