import Digests

/// One seeded damage to a PNG file, of the kinds that reach ever deeper layers of a decoder.
struct Mutation {
    enum Kind: CaseIterable {
        case flippedBits, truncated, lyingLength, chunkBody, chunkBodyResealed, header, stream,
            checksumOfStream
        case streamHeader, contents, chunkOrder, chunkName, insertedChunk, tail
    }

    let kind: Kind
    let bytes: [UInt8]

    struct Chunk {
        var name: [UInt8]
        var body: [UInt8]
        var sealed: [UInt8] {
            Craft.number(UInt32(body.count)) + name + body + Craft.number(CRC32.checksum(name + body))
        }
    }

    static func chunks(_ file: [UInt8]) -> [Chunk] {
        var chunks: [Chunk] = []
        var offset = 8
        while offset + 12 <= file.count {
            let length = file[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
            let body = offset + 8..<offset + 8 + length
            chunks.append(Chunk(name: Array(file[offset + 4..<offset + 8]), body: Array(file[body])))
            offset = body.upperBound + 4
        }
        return chunks
    }

    /// `file` is valid.
    init(_ kind: Kind, of file: [UInt8], _ dice: inout Dice) {
        self.kind = kind
        var chunks = Self.chunks(file)
        let isData = { (chunk: Chunk) in chunk.name == Array("IDAT".utf8) }
        let firstData = chunks.firstIndex(where: isData) ?? 0
        /// The same file with another stream, in one chunk or two.
        func withStream(_ stream: [UInt8]) -> [Chunk] {
            let cut = dice.below(stream.count + 1)
            let data = [stream[..<cut], stream[cut...]].map {
                Chunk(name: Array("IDAT".utf8), body: Array($0))
            }
            return chunks[..<firstData] + data + chunks[firstData...].filter { !isData($0) }
        }
        var stream = chunks.filter(isData).flatMap(\.body)
        var plain: [UInt8]?
        switch kind {
        case .flippedBits:
            plain = Self.flipped(file, &dice)
        case .truncated:
            plain = Array(file[..<dice.below(file.count)])
        case .lyingLength:
            var lying = file
            let chunk = dice.below(chunks.count)
            let at = 8 + chunks[..<chunk].reduce(0) { $0 + $1.body.count + 12 }
            let values =
                [0, 1, chunks[chunk].body.count + 1, max(0, chunks[chunk].body.count - 1), 0x7fff_ffff]
                + [0x8000_0000, 0xffff_fff4, 0xffff_ffff, dice.below(file.count)]
            lying.replaceSubrange(at..<at + 4, with: Craft.number(UInt32(values[dice.below(values.count)])))
            plain = lying
        case .chunkBody, .chunkBodyResealed:
            let chunk = dice.below(chunks.count)
            let before = chunks[chunk].sealed
            if !chunks[chunk].body.isEmpty { chunks[chunk].body = Self.flipped(chunks[chunk].body, &dice) }
            guard kind == .chunkBody else { break }
            // The old checksum stays.
            let parts = chunks.indices.map {
                $0 == chunk ? chunks[$0].sealed.dropLast(4) + before.suffix(4) : chunks[$0].sealed
            }
            plain = Craft.signature + parts.flatMap { $0 }
        case .header:
            let field = dice.below(8)
            switch field {
            case 0...3: chunks[0].body[3 + 4 * (field & 1)] = UInt8(dice.below(field < 2 ? 64 : 256))
            case 4: chunks[0].body[8] = [1, 2, 4, 8, 16][dice.below(5)]
            case 5: chunks[0].body[9] = [0, 2, 3, 4, 6][dice.below(5)]
            case 6: chunks[0].body[12] ^= 1
            default: chunks[0].body = Self.flipped(chunks[0].body, &dice)
            }
        case .stream:
            switch dice.below(4) {
            case 0: stream = Self.flipped(stream, &dice)
            case 1: stream.remove(at: dice.below(stream.count))
            case 2: stream.insert(dice.byte(), at: dice.below(stream.count + 1))
            default: stream = Array(stream[..<dice.below(stream.count)])
            }
            chunks = withStream(stream)
        case .checksumOfStream:
            stream[stream.count - 1 - dice.below(4)] ^= 1 << dice.below(8)
            chunks = withStream(stream)
        case .streamHeader:
            stream[0] = dice.below(2) == 0 ? stream[0] & 15 | UInt8(dice.below(16)) << 4 : dice.byte()
            stream[1] = UInt8(dice.below(8)) << 5
            if dice.below(4) > 0 {
                stream[1] += UInt8((31 - (Int(stream[0]) << 8 | Int(stream[1])) % 31) % 31)
            }
            chunks = withStream(stream)
        case .contents:
            // Valid compression of wrong contents: filters, palette indices, too few or too many bytes.
            var data = ReferenceZlib.inflate(stream, limit: 1 << 20)
            switch dice.below(5) {
            case 0...2: data = Self.flipped(data, &dice)
            case 3: data.removeLast(1 + dice.below(min(3, data.count)))
            default: data += (0...dice.below(3)).map { _ in dice.byte() }
            }
            let (level, strategy) = Suite.compressions[dice.below(Suite.compressions.count)]
            chunks = withStream(ReferenceZlib.deflate(data, level: level, strategy: strategy))
        case .chunkOrder:
            switch dice.below(3) {
            case 0: chunks.remove(at: dice.below(chunks.count))
            case 1: chunks.insert(chunks[dice.below(chunks.count)], at: dice.below(chunks.count + 1))
            default: chunks.swapAt(dice.below(chunks.count), dice.below(chunks.count))
            }
        case .chunkName:
            let chunk = dice.below(chunks.count)
            chunks[chunk].name[dice.below(4)] ^= dice.below(2) == 0 ? 0x20 : 1 << dice.below(8)
        case .insertedChunk:
            let names =
                [
                    "gAMA", "tRNS", "PLTE", "sBIT", "bKGD", "iCCP", "tEXt", "zTXt", "hIST", "IHDR", "IEND",
                    "acTL",
                ]
                + ["ABCD", "abcd", "abCd", "IDAT", "eXIf", "sRGB", "cHRM", "pHYs"]
            let body = (0..<dice.below(20)).map { _ in dice.byte() }
            chunks.insert(
                Chunk(name: Array(names[dice.below(names.count)].utf8), body: body),
                at: dice.below(chunks.count + 1))
        case .tail:
            stream += (0...dice.below(6)).map { _ in dice.byte() }
            chunks = withStream(stream)
        }
        bytes = plain ?? Craft.signature + chunks.flatMap(\.sealed)
    }

    /// One to three bits the other way, or a byte of another value.
    private static func flipped(_ bytes: [UInt8], _ dice: inout Dice) -> [UInt8] {
        var bytes = bytes
        for _ in 0...dice.below(3) { bytes[dice.below(bytes.count)] ^= 1 << dice.below(8) }
        if dice.below(3) == 0 { bytes[dice.below(bytes.count)] = dice.byte() }
        return bytes
    }
}
