import Digests
import Foundation
import Images
import Testing

struct PNGVector: CustomTestStringConvertible {
    let name: String
    let width: Int
    let height: Int
    let channels: Int
    let file: [UInt8]
    let sha256: String

    var testDescription: String { "\(name) \(width)x\(height)" }

    /// The files that Vectors/make_vectors.py made.
    static let all: [PNGVector] = {
        guard let url = Bundle.module.url(forResource: "png", withExtension: "txt", subdirectory: "Vectors"),
            let text = try? String(contentsOf: url, encoding: .utf8)
        else { return [] }
        return text.split(separator: "\n").compactMap { line in
            let f = line.split(separator: " ").map(String.init)
            guard f.count == 6, let file = Data(base64Encoded: f[4]) else { return nil }
            return PNGVector(
                name: f[0], width: Int(f[1]) ?? 0, height: Int(f[2]) ?? 0, channels: Int(f[3]) ?? 0,
                file: [UInt8](file), sha256: f[5])
        }
    }()

    /// One of each colour type, 9x10.
    static let several = all.filter {
        $0.width > 1 && ($0.name.contains("depth8") || $0.name.contains("adam7"))
    }
}

/// Builds files that no encoder would write.
enum Craft {
    static func chunk(_ kind: String, _ body: [UInt8]) -> [UInt8] {
        let tagged = Array(kind.utf8) + body
        return number(UInt32(body.count)) + tagged + number(CRC32.checksum(tagged))
    }

    static func number(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

    static func header(_ width: UInt32, _ height: UInt32, depth: UInt8 = 8, colour: UInt8 = 0) -> [UInt8] {
        chunk("IHDR", number(width) + number(height) + [depth, colour, 0, 0, 0])
    }

    /// A zlib stream of stored blocks.
    static func zlib(_ data: [UInt8]) -> [UInt8] {
        let length = UInt16(data.count)
        return [
            0x78, 0x01, 0x01, UInt8(length & 255), UInt8(length >> 8), UInt8(~length & 255),
            UInt8(~length >> 8),
        ]
            + data + number(Adler32.checksum(data))
    }

    static func file(_ chunks: [[UInt8]]) -> [UInt8] { signature + chunks.flatMap { $0 } }

    static let end = chunk("IEND", [])
}

@Suite struct PNGTests {
    @Test("files made by an outside writer", arguments: PNGVector.all)
    func vectors(_ vector: PNGVector) throws {
        let image = try PNG.decode(vector.file, limits: ImageLimits())
        #expect(image.width == vector.width && image.height == vector.height)
        #expect(image.channels == vector.channels)
        #expect(String(decoding: Hex.encode(SHA256.hash(image.pixels)), as: UTF8.self) == vector.sha256)
    }

    @Test("all vectors are there")
    func count() { #expect(PNGVector.all.count == 60) }

    @Test("a file cut anywhere is refused", arguments: PNGVector.several)
    func truncation(_ vector: PNGVector) {
        for length in 0..<vector.file.count {
            #expect(throws: ImageError.self) {
                try PNG.decode(Array(vector.file[..<length]), limits: ImageLimits())
            }
        }
    }

    @Test("one flipped bit anywhere is refused", arguments: PNGVector.several)
    func flippedBits(_ vector: PNGVector) {
        for offset in vector.file.indices {
            for bit in 0..<8 {
                var file = vector.file
                file[offset] ^= 1 << bit
                #expect(throws: ImageError.self) { try PNG.decode(file, limits: ImageLimits()) }
            }
        }
    }

    @Test("damage behind correct checksums never traps", arguments: PNGVector.several)
    func damagedData(_ vector: PNGVector) {
        // Unwrap the zlib stream and damage it under valid CRCs.
        var data: [UInt8] = []
        var before: [[UInt8]] = []
        var offset = 8
        while offset < vector.file.count {
            let length = vector.file[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
            let kind = String(decoding: vector.file[offset + 4..<offset + 8], as: UTF8.self)
            let body = Array(vector.file[offset + 8..<offset + 8 + length])
            if kind == "IDAT" {
                data += body
            } else if kind != "IEND" {
                before.append(Craft.chunk(kind, body))
            }
            offset += length + 12
        }
        var refused = 0
        for place in data.indices {
            for bit in 0..<8 {
                var damaged = data
                damaged[place] ^= 1 << bit
                let file = Craft.file(before + [Craft.chunk("IDAT", damaged), Craft.end])
                if (try? PNG.decode(file, limits: ImageLimits())) == nil { refused += 1 }
            }
        }
        // The window size in the first byte says nothing to this decoder.
        #expect(refused >= data.count * 8 - 24)
    }

    @Test("sizes beyond the limits are refused before anything is allocated")
    func tooLarge() {
        let huge = Craft.file([Craft.header(60_000, 60_000), Craft.chunk("IDAT", Craft.zlib([0])), Craft.end])
        #expect(throws: ImageError(.tooLarge(width: 60_000, height: 60_000), offset: 16)) {
            try PNG.decode(huge, limits: ImageLimits())
        }
        let most = ImageLimits(maximumWidth: 1 << 30, maximumHeight: 1 << 30, maximumPixels: 1 << 60)
        #expect(throws: ImageError.self) { try PNG.decode(huge, limits: most) }
        let negative = Craft.file([Craft.header(0x8000_0001, 1), Craft.end])
        #expect(throws: ImageError(.badHeader, offset: 16)) { try PNG.decode(negative, limits: most) }
        let none = Craft.file([Craft.header(0, 1), Craft.end])
        #expect(throws: ImageError(.badHeader, offset: 16)) { try PNG.decode(none, limits: most) }
    }

    @Test("data that inflate to more or less than the picture are refused")
    func bomb() {
        func file(_ count: Int) -> [UInt8] {
            let data = Craft.zlib([UInt8](repeating: 0, count: count))
            return Craft.file([Craft.header(4, 2), Craft.chunk("IDAT", data), Craft.end])
        }
        #expect(throws: Never.self) { try PNG.decode(file(10), limits: ImageLimits()) }
        for (count, isLarger) in [(11, true), (60_000, true), (9, false), (0, false)] {
            let error = #expect(throws: ImageError.self) {
                try PNG.decode(file(count), limits: ImageLimits())
            }
            switch error?.reason {
            case .tooMuchData(let limit): #expect(isLarger && limit == 10)
            case .tooLittleData(let expected, let found):
                #expect(!isLarger && expected == 10 && found == count)
            default: Issue.record("another error for \(count)")
            }
        }
    }

    static let grey = Craft.chunk("IDAT", Craft.zlib([0, 7]))
    static let misplaced: [(String, [[UInt8]], ImageError.Reason)] = [
        ("no header", [grey, Craft.end], .badChunk),
        ("two headers", [Craft.header(1, 1), Craft.header(1, 1), grey, Craft.end], .badChunk),
        ("no data", [Craft.header(1, 1), Craft.end], .badChunk),
        ("no end", [Craft.header(1, 1), grey], .truncated),
        (
            "data apart",
            [Craft.header(1, 1), Craft.chunk("IDAT", []), Craft.chunk("tIME", []), grey, Craft.end], .badChunk
        ),
        (
            "unknown critical", [Craft.header(1, 1), Craft.chunk("ABCD", []), grey, Craft.end],
            .unknownCriticalChunk
        ),
        (
            "palette in grey", [Craft.header(1, 1), Craft.chunk("PLTE", [1, 2, 3]), grey, Craft.end],
            .badChunk
        ),
        ("palette missing", [Craft.header(1, 1, colour: 3), grey, Craft.end], .badChunk),
        (
            "palette late",
            [Craft.header(1, 1, colour: 2), grey, Craft.chunk("PLTE", [1, 2, 3]), Craft.end],
            .badChunk
        ),
        (
            "palette too long",
            [
                Craft.header(1, 1, depth: 1, colour: 3), Craft.chunk("PLTE", [UInt8](repeating: 0, count: 9)),
                grey,
            ],
            .badChunk
        ),
        (
            "index beyond the palette",
            [Craft.header(1, 1, colour: 3), Craft.chunk("PLTE", [1, 2, 3]), grey, Craft.end], .badPaletteIndex
        ),
        ("filter 5", [Craft.header(1, 1), Craft.chunk("IDAT", Craft.zlib([5, 7])), Craft.end], .badFilter),
        ("depth 3", [Craft.header(1, 1, depth: 3), grey, Craft.end], .badHeader),
        ("palette of 16 bits", [Craft.header(1, 1, depth: 16, colour: 3), grey, Craft.end], .badHeader),
    ]

    @Test("chunks out of order", arguments: misplaced)
    func order(_ name: String, _ chunks: [[UInt8]], _ reason: ImageError.Reason) {
        let error = #expect(throws: ImageError.self) {
            try PNG.decode(Craft.file(chunks), limits: ImageLimits())
        }
        #expect(error?.reason == reason)
    }

    @Test("bytes after the end are ignored")
    func trailing() throws {
        let file = Craft.file([Craft.header(1, 1), Self.grey, Craft.end]) + [1, 2, 3]
        #expect(try PNG.decode(file, limits: .small).pixels == [7])
    }
}
