import CZlib
import Digests
import Images
import Testing
import Training

/// PNG bytes from raw, already filtered rows.
func png(width: Int, height: Int, depth: UInt8, color: UInt8, rows: [UInt8], extra: [[UInt8]] = []) -> [UInt8]
{
    func big(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + data
        let crc = body.withUnsafeBufferPointer { Int(crc32(0, $0.baseAddress, UInt32($0.count))) }
        return big(data.count) + body + big(crc)
    }
    var packed = [UInt8](repeating: 0, count: rows.count + 1024)
    var count = uLongf(packed.count)
    compress2(&packed, &count, rows, uLong(rows.count), 9)
    var bytes: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    bytes += chunk("IHDR", big(width) + big(height) + [depth, color, 0, 0, 0])
    for data in extra { bytes += chunk(String(decoding: data[..<4], as: UTF8.self), Array(data[4...])) }
    return bytes + chunk("IDAT", Array(packed[..<Int(count)])) + chunk("IEND", [])
}

@Suite struct PNGFileTests {
    static let palette: [UInt8] = Array("PLTE".utf8) + [10, 20, 30, 200, 100, 50, 1, 2, 3, 255, 254, 253]
    static let transparency: [UInt8] = Array("tRNS".utf8) + [0, 128, 255, 7]

    /// Name, file, expected channels and pixels.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let channels: Int
        let pixels: [UInt8]
    }

    static let cases: [Case] = [
        Case(
            testDescription: "grey 1",
            bytes: png(width: 9, height: 1, depth: 1, color: 0, rows: [0, 0b1010_0101, 0x80]),
            channels: 1, pixels: [255, 0, 255, 0, 0, 255, 0, 255, 255]),
        Case(
            testDescription: "grey 2",
            bytes: png(width: 4, height: 1, depth: 2, color: 0, rows: [0, 0b0001_1011]),
            channels: 1, pixels: [0, 85, 170, 255]),
        Case(
            testDescription: "grey 4", bytes: png(width: 2, height: 1, depth: 4, color: 0, rows: [0, 0x3f]),
            channels: 1, pixels: [51, 255]),
        Case(
            testDescription: "grey 8",
            bytes: png(width: 2, height: 2, depth: 8, color: 0, rows: [0, 1, 2, 2, 3, 4]),
            channels: 1, pixels: [1, 2, 4, 6]),
        Case(
            testDescription: "grey 16",
            bytes: png(
                width: 4, height: 1, depth: 16, color: 0, rows: [0, 0, 128, 0, 129, 0x80, 0x00, 0xff, 0x7e]),
            channels: 1, pixels: [0, 1, 128, 254]),
        Case(
            testDescription: "grey alpha 8",
            bytes: png(width: 2, height: 1, depth: 8, color: 4, rows: [0, 9, 0, 77, 255]),
            channels: 1, pixels: [9, 77]),
        Case(
            testDescription: "RGB 8",
            bytes: png(width: 1, height: 2, depth: 8, color: 2, rows: [0, 1, 2, 3, 0, 4, 5, 6]),
            channels: 3, pixels: [1, 2, 3, 4, 5, 6]),
        Case(
            testDescription: "RGB 16",
            bytes: png(
                width: 1, height: 1, depth: 16, color: 2, rows: [0, 0x12, 0x34, 0xff, 0xff, 0x00, 0x81]),
            channels: 3, pixels: [18, 255, 1]),
        Case(
            testDescription: "RGBA 8",
            bytes: png(width: 1, height: 1, depth: 8, color: 6, rows: [0, 1, 2, 3, 0]),
            channels: 3, pixels: [1, 2, 3]),
        Case(
            testDescription: "palette 2",
            bytes: png(width: 4, height: 1, depth: 2, color: 3, rows: [0, 0b0001_1011], extra: [palette]),
            channels: 3, pixels: [10, 20, 30, 200, 100, 50, 1, 2, 3, 255, 254, 253]),
        Case(
            testDescription: "palette 8 with transparency",
            bytes: png(
                width: 2, height: 1, depth: 8, color: 3, rows: [0, 3, 1], extra: [palette, transparency]),
            channels: 3, pixels: [255, 254, 253, 200, 100, 50]),
        Case(
            testDescription: "grey 8 with a transparent value",
            bytes: png(
                width: 2, height: 1, depth: 8, color: 0, rows: [0, 5, 6],
                extra: [Array("tRNS".utf8) + [0, 5]]),
            channels: 1, pixels: [5, 6]),
    ]

    @Test(arguments: cases)
    func decodesEveryKind(_ item: Case) throws {
        let image = try PNGFile.decode(item.bytes)
        #expect(image.channels == item.channels)
        #expect(image.pixels == item.pixels)
    }

    /// libpng here and the canister's own decoder give the same pixels.
    @Test(arguments: cases)
    func agreesWithTheEmbeddedDecoder(_ item: Case) throws {
        let image = try PNGFile.decode(item.bytes)
        let other = try Images.PNG.decode(item.bytes, limits: ImageLimits())
        #expect(image == other)
    }

    /// All 65,536 values of a 16-bit sample.
    @Test func roundsSixteenBitsAsTheContractSays() throws {
        var rows: [UInt8] = []
        for high in 0...UInt8.max {
            rows.append(0)
            for low in 0...UInt8.max { rows += [high, low] }
        }
        let bytes = png(width: 256, height: 256, depth: 16, color: 0, rows: rows)
        let expected = (0..<65_536).map { UInt8(($0 * 255 + 32_767) / 65_535) }
        #expect(try PNGFile.decode(bytes).pixels == expected)
        #expect(try Images.PNG.decode(bytes, limits: ImageLimits()).pixels == expected)
    }

    @Test func refusesEveryTruncation() {
        let bytes = PNGFileTests.cases[3].bytes
        for count in 0..<bytes.count {
            #expect(throws: DataFormatError.self, "\(count) bytes") {
                try PNGFile.decode(Array(bytes[..<count]))
            }
        }
    }

    @Test func refusesEveryFlippedByte() {
        let bytes = PNGFileTests.cases[6].bytes
        for at in bytes.indices {
            var damaged = bytes
            damaged[at] ^= 0x55
            #expect(throws: DataFormatError.self, "byte \(at)") { try PNGFile.decode(damaged) }
        }
    }

    @Test(arguments: [(60_000, 60_000), (20_000, 1), (1, 20_000), (16_384, 16_384)])
    func refusesHugeImagesBeforeDecoding(width: Int, height: Int) {
        let bytes = png(width: width, height: height, depth: 8, color: 2, rows: [0, 1, 2])
        let error = #expect(throws: DataFormatError.self) { try PNGFile.decode(bytes) }
        #expect(error?.reason.contains("\(width)x\(height)") == true)
    }

    @Test(arguments: [1, 3])
    func encodesWhatItDecodes(channels: Int) throws {
        let geometry = ImageGeometry(height: 5, width: 7, channels: channels)
        let pixels = (0..<geometry.byteCount).map { UInt8($0 * 37 & 255) }
        let bytes = try PNGFile.encode(pixels[...], geometry: geometry)
        #expect(try PNGFile.decode(bytes).pixels == pixels)
        #expect(try PNGFile.encode(pixels[...], geometry: geometry) == bytes)
    }
}
