import Digests
import Images
import Testing

/// The decoder of the canister and libpng, which reads images for training, give the same pixels.
@Suite struct SuiteTests {
    private func expectEqual(_ files: [Suite]) throws {
        for file in files {
            try #require(!file.bytes.isEmpty, "libpng did not write \(file.name)")
            try expectEqual(file.bytes, file.name)
        }
    }

    private func expectEqual(_ file: [UInt8], _ name: String) throws {
        let theirs = LibPNG(decoding: file, limits: ImageLimits())
        do {
            let ours = try PNG.decode(file, limits: ImageLimits())
            #expect(theirs == .decoded(ours, warning: ""), "\(name)")
        } catch {
            Issue.record("\(name): \(error), libpng: \(theirs)")
        }
    }

    @Test("every colour type, depth, interlace method and filter")
    func filters() throws {
        #expect(Suite.filters.count == 15 * 2 * 6 * 12)
        try expectEqual(Suite.filters)
    }

    @Test("every size up to 40")
    func sizes() throws {
        #expect(Suite.sizes.count == 15 * 2 * 40)
        try expectEqual(Suite.sizes)
    }

    @Test("split data, small windows, short palettes, transparency and every ancillary chunk")
    func wrappings() throws {
        #expect(Suite.wrappings.count == 15 * 6 * 4 + 2 * (2 + 4 + 6 + 6))
        try expectEqual(Suite.wrappings)
    }

    /// A grey picture of rows of 32 bytes whose data are `data`, in one IDAT or in the pieces given.
    static func picture(_ data: [UInt8], row: Int = 32, stream: [UInt8], pieces: [Int] = []) -> [UInt8] {
        var chunks: [[UInt8]] = [Craft.header(UInt32(row - 1), UInt32(data.count / row))]
        var rest = stream[...]
        for piece in pieces {
            chunks.append(Craft.chunk("IDAT", Array(rest.prefix(piece))))
            rest = rest.dropFirst(piece)
        }
        chunks.append(Craft.chunk("IDAT", Array(rest)))
        return Craft.file(chunks + [Craft.end])
    }

    /// Rows of filter 0 and bytes of a small range.
    static func rows(_ count: Int, row: Int = 32, seed: UInt64) -> [UInt8] {
        var dice = Dice(seed)
        return (0..<count).flatMap { _ in [0] + (1..<row).map { _ in UInt8(dice.below(7) * dice.below(40)) } }
    }

    @Test("empty chunks of data before, between and after")
    func emptyChunks() throws {
        let data = Self.rows(20, seed: 1)
        let stream = ReferenceZlib.deflate(data, level: 9, strategy: 0)
        for pieces in [
            [0], [0, 0, 1, 0, 1], [1, 1, 1, 0, 5, 0, 2], [2, 0, stream.count - 6, 0, 4], [stream.count, 0],
        ] {
            try expectEqual(Self.picture(data, stream: stream, pieces: pieces), "pieces \(pieces)")
        }
        for at in 1..<stream.count {
            try expectEqual(Self.picture(data, stream: stream, pieces: [at]), "split at \(at)")
        }
    }

    @Test(
        "stored, fixed, dynamic and empty blocks in one stream", arguments: [1, 2, 31, 32, 100, 1_000, 9_000])
    func mixedBlocks(piece: Int) throws {
        let data = Self.rows(piece < 100 ? 60 : 900, seed: UInt64(piece))
        let stream = ReferenceZlib.deflateMixed(data, piece: piece)
        try #require(ReferenceZlib.inflate(stream, limit: data.count) == data)
        try expectEqual(Self.picture(data, stream: stream), "pieces of \(piece)")
    }

    @Test("codes of up to 15 bits")
    func longCodes() throws {
        // Counts that grow like Fibonacci's numbers make the deepest tree.
        var counts = [1, 1]
        while counts.count < 20 { counts.append(counts.suffix(2).reduce(0, +)) }
        for depth in [8, 12, 17, 20] {
            var bytes = counts[..<depth].enumerated().flatMap {
                [UInt8](repeating: UInt8(3 + 7 * $0.offset), count: $0.element)
            }
            var dice = Dice(UInt64(depth))
            bytes.shuffle(using: &dice)
            bytes.removeLast(bytes.count % 31)
            let data = stride(from: 0, to: bytes.count, by: 31).flatMap { [0] + bytes[$0..<$0 + 31] }
            for strategy in [0, 2] {
                let stream = ReferenceZlib.deflate(data, level: 9, strategy: strategy)
                try expectEqual(Self.picture(data, stream: stream), "depth \(depth) strategy \(strategy)")
            }
        }
    }

    @Test("matches of every length at every kind of distance")
    func matches() throws {
        var dice = Dice(3)
        var data: [UInt8] = []
        var writer = TokenWriter()
        let start = (0..<32_768).map { $0 % 64 == 0 ? 0 : dice.byte() }
        writer.stored(start, isLast: false)
        data += start
        writer.bits(1, 1)
        writer.bits(1, 2)
        // Filter bytes must stay 0…4: copies that would put another byte at the start of a row become literals.
        func put(_ length: Int, _ distance: Int) {
            let copied = (0..<length).map { data[data.count - distance + $0 % distance] }
            for (i, byte) in copied.enumerated() where (data.count + i) % 64 == 0 && byte > 4 {
                for byte in copied[..<i] + [0] {
                    writer.fixedSymbol(Int(byte))
                    data.append(byte)
                }
                return
            }
            writer.fixedMatch(length: length, distance: distance)
            data += copied
        }
        let edges = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 64, 1_024, 24_576, 32_704, 32_767, 32_768]
        for length in 3...258 {
            for distance in length % 16 == 0 || length < 20 || length > 250 ? edges : [length, 64, 128] {
                put(length, distance)
            }
        }
        for code in 0..<30 {
            let extra = code < 4 ? 0 : code / 2 - 1
            let base = code < 4 ? code + 1 : (2 + code % 2) << extra + 1
            for distance in [base, base + (1 << extra) / 2, base + 1 << extra - 1] {
                put(3 + dice.below(256), distance)
            }
        }
        while data.count % 64 != 0 {
            writer.fixedSymbol(0)
            data.append(0)
        }
        writer.fixedSymbol(256)
        let stream = writer.stream(of: data)
        try #require(ReferenceZlib.inflate(stream, limit: data.count) == data)
        #expect(try Zlib.inflate(stream, limit: data.count) == data)
        try expectEqual(Self.picture(data, row: 64, stream: stream), "matches")
    }

    @Test("one distance code or none, one literal, the largest counts")
    func unusualCodes() throws {
        // One row of one pixel: a dynamic block of symbols 0 and 256 with one bit each.
        func block(distances: [Int], lastCode: Int = 1) -> [UInt8] {
            var writer = TokenWriter()
            writer.bits(1, 1)
            writer.bits(2, 2)
            writer.bits(257 - 257, 5)
            writer.bits(distances.count - 1, 5)
            writer.bits(18 - 4, 4)
            // Code lengths of 0, 1 and 18 only: symbol 1 has one bit, 0 and 18 have two.
            let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1]
            for symbol in order { writer.bits(symbol == 1 ? 1 : symbol == 0 || symbol == 18 ? 2 : 0, 3) }
            writer.code(0, 1)
            for zeros in [138, 117] {
                writer.code(3, 2)
                writer.bits(zeros - 11, 7)
            }
            writer.code(0, 1)
            for length in distances { writer.code(length == 1 ? 0 : 2, length == 1 ? 1 : 2) }
            for code in [0, 0, lastCode] { writer.code(code, 1) }
            return writer.stream(of: [0, 0])
        }
        for distances in [[0], [1], [0, 1], [1, 1], [0, 0, 0]] {
            let stream = block(distances: distances)
            try #require(ReferenceZlib.inflate(stream, limit: 2) == [0, 0])
            try expectEqual(Self.picture([0, 0], row: 2, stream: stream), "distances \(distances)")
        }
    }

    @Test("window sizes in the header of the stream")
    func windows() throws {
        let data = Self.rows(4, seed: 4)
        for bits in 0...7 {
            var stream = ReferenceZlib.deflate(data, level: 9, strategy: 0)
            stream[0] = UInt8(bits << 4 | 8)
            stream[1] = UInt8((31 - Int(stream[0]) << 8 % 31) % 31)
            try expectEqual(Self.picture(data, stream: stream), "window \(bits)")
        }
    }

    @Test("chunks that no decoder needs, in all places")
    func ancillary() throws {
        let data = Self.rows(3, seed: 5)
        let stream = ReferenceZlib.deflate(data, level: 9, strategy: 0)
        let (head, body) = (Craft.header(31, 3), Craft.chunk("IDAT", stream))
        for kind in ["prVt", "teSt", "zzZz"] {
            for size in [0, 1, 500] {
                let chunk = Craft.chunk(kind, [UInt8](repeating: 9, count: size))
                for chunks in [
                    [head, chunk, body], [head, body, chunk], [head, chunk, chunk, body, chunk],
                ] {
                    try expectEqual(Craft.file(chunks + [Craft.end]), "\(kind) of \(size)")
                }
            }
        }
        let palette = Craft.chunk("PLTE", [UInt8](0..<30))
        let rgb = Craft.file([
            Craft.header(1, 1, colour: 2), palette, Craft.chunk("IDAT", Craft.zlib([0, 1, 2, 3])), Craft.end,
        ])
        try expectEqual(rgb, "palette suggested for RGB")
        try expectEqual(Craft.file([head, body, Craft.end]) + [1, 2, 3], "bytes behind the end")
    }
}
