import Digests

/// The chunks of a PNG file that matter for its pixels, in their order and with their checksums verified.
struct PNGChunks {
    let header: PNGHeader
    /// RGB triples; empty unless the colour type is palette.
    private(set) var palette: [UInt8] = []
    /// Bytes of the zlib stream in all IDAT chunks.
    private(set) var dataBytes = 0
    /// Where the body of the first IDAT starts; the others follow each other.
    private(set) var dataOffset = 0
    private var hasPalette = false
    private var hasData = false

    private static let ihdr: UInt32 = 0x4948_4452
    private static let plte: UInt32 = 0x504c_5445
    private static let idat: UInt32 = 0x4944_4154
    private static let iend: UInt32 = 0x4945_4e44

    init(_ bytes: [UInt8], limits: ImageLimits) throws(ImageError) {
        let signature: InlineArray<8, UInt8> = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
        for i in 0..<8 {
            guard i < bytes.count else { throw ImageError(i == 0 ? .notPNG : .truncated, offset: i) }
            guard bytes[i] == signature[i] else { throw ImageError(.notPNG, offset: i) }
        }
        let first = try PNGChunk(bytes, at: 8)
        guard first.kind == PNGChunks.ihdr, first.body.count == 13 else {
            throw ImageError(.badChunk, offset: 8)
        }
        header = try PNGHeader(bytes, at: first.body.lowerBound, limits: limits)
        var offset = first.end
        var dataHasEnded = false
        while true {
            let chunk = try PNGChunk(bytes, at: offset)
            if chunk.kind != PNGChunks.idat && hasData { dataHasEnded = true }
            switch chunk.kind {
            case PNGChunks.plte:
                try checkPalette(chunk, offset)
                if header.colour == .palette { palette = [UInt8](bytes[chunk.body]) }
                hasPalette = true
            case PNGChunks.idat:
                guard !dataHasEnded, header.colour != .palette || hasPalette else {
                    throw ImageError(.badChunk, offset: offset)
                }
                if !hasData { dataOffset = chunk.body.lowerBound }
                hasData = true
                dataBytes += chunk.body.count
            case PNGChunks.iend:
                guard hasData, chunk.body.isEmpty else { throw ImageError(.badChunk, offset: offset) }
                return
            case PNGChunks.ihdr:
                throw ImageError(.badChunk, offset: offset)
            default:
                guard chunk.isAncillary else { throw ImageError(.unknownCriticalChunk, offset: offset) }
            }
            offset = chunk.end
        }
    }

    /// The zlib stream, and `slack` bytes behind it; of the `bytes` that were read.
    func joinedData(_ bytes: [UInt8], slack: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: dataBytes + slack) { data, count in
            var body = dataOffset
            while count < dataBytes {
                let length = Int(PNGHeader.number(bytes, body - 8))
                bytes.withUnsafeBytes {
                    UnsafeMutableRawPointer(data.baseAddress! + count)
                        .copyMemory(from: $0.baseAddress! + body, byteCount: length)
                }
                count += length
                body += length + 12
            }
            for i in 0..<slack { data[count + i] = 0 }
            count += slack
        }
    }

    private func checkPalette(_ chunk: PNGChunk, _ offset: Int) throws(ImageError) {
        let colours = chunk.body.count / 3
        let most = header.colour == .palette ? 1 << header.depth : 256
        guard !hasPalette, !hasData, chunk.body.count % 3 == 0, (1...most).contains(colours),
            header.channels == 3
        else { throw ImageError(.badChunk, offset: offset) }
    }
}

/// One chunk whose length lies within the file and whose CRC-32 matches.
private struct PNGChunk {
    let kind: UInt32
    let body: Range<Int>

    var end: Int { body.upperBound + 4 }
    var isAncillary: Bool { kind & 0x2000_0000 != 0 }

    init(_ bytes: [UInt8], at offset: Int) throws(ImageError) {
        guard bytes.count - offset >= 12 else { throw ImageError(.truncated, offset: bytes.count) }
        let length = PNGHeader.number(bytes, offset)
        guard length < 1 << 31 else { throw ImageError(.badChunk, offset: offset) }
        guard Int(length) <= bytes.count - offset - 12 else {
            throw ImageError(.truncated, offset: bytes.count)
        }
        kind = PNGHeader.number(bytes, offset + 4)
        body = offset + 8..<offset + 8 + Int(length)
        for i in 0..<4 {
            let letter = UInt8(truncatingIfNeeded: kind &>> UInt32(24 &- 8 &* i))
            guard (0x41...0x5a).contains(letter & 0xdf), letter & 0x80 == 0 else {
                throw ImageError(.badChunk, offset: offset + 4 + i)
            }
        }
        let checksum = CRC32.checksum(bytes, in: offset + 4..<body.upperBound)
        guard checksum == PNGHeader.number(bytes, body.upperBound) else {
            throw ImageError(.badChecksum, offset: body.upperBound)
        }
    }
}
