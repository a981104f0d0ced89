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

    @Test("mirrored in, mirrored out")
    func symmetry() {
        let image = Self.picture(31, 1, 1)
        let mirrored = PixelImage(width: 31, height: 1, channels: 1, pixels: image.pixels.reversed())
        let a = image.resized(width: 12, height: 1).pixels
        let b = mirrored.resized(width: 12, height: 1).pixels
        for x in 0..<12 { #expect(abs(Int(a[x]) - Int(b[11 - x])) <= 1) }
    }
}
