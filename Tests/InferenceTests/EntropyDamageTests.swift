import Inference
import Testing

@Suite struct EntropyDamageTests {
    static let outputs = 6

    /// A file with four groups, and its parts.
    static func sample() throws -> (model: QuantizedModel, file: [UInt8], parts: TakenApart) {
        let model = try EntropyModels.model(.widthByOutput, count: 1_500, outputs: outputs)
        let file = ModelFile.write(model)
        let parts = TakenApart(file, outputs: outputs)
        try #require(parts.encoding == 1 && parts.coded[1] > 0)
        return (model, file, parts)
    }

    static func tableStart(_ parts: TakenApart) -> Int { 2 + (outputs * Int(parts.coded[1]) + 7) / 8 }

    /// 0, 1, 2, 4 … below A − 1, then A − 1 and A.
    static func knots(_ magnitude: Int) -> Int {
        [0, 1, 2, 4, 8, 16, 32, 64].filter { $0 < magnitude - 1 }.count + 2
    }

    static func streamStart(_ parts: TakenApart) -> Int {
        tableStart(parts) + knots(Int(parts.coded[0])) << Int(parts.coded[1])
    }

    @Test("a coded file cut anywhere is refused")
    func truncation() throws {
        let file = try Self.sample().file
        for length in file.indices {
            #expect(throws: ModelFileError.self) { try ModelFile.read(Array(file[..<length])) }
        }
    }

    @Test("one changed byte anywhere in a coded file is refused", arguments: [0x01, 0x80, 0xff] as [UInt8])
    func flippedByte(mask: UInt8) throws {
        let file = try Self.sample().file
        for offset in file.indices {
            var damaged = file
            damaged[offset] ^= mask
            #expect(throws: ModelFileError.self) { try ModelFile.read(damaged) }
        }
    }

    @Test("behind correct hashes, damage never traps, and in the stream it is nearly always noticed")
    func resealed() throws {
        let (model, _, parts) = try Self.sample()
        let stream = Self.streamStart(parts)
        var (noticed, accepted) = (0, 0)
        for offset in parts.coded.indices {
            for mask in [0x01, 0x10, 0x80, 0xff] as [UInt8] {
                var damaged = parts
                damaged.coded[offset] ^= mask
                do throws(ModelFileError) {
                    let other = try ModelFile.read(damaged.file)
                    // A digit may lead to the slot of another weight with the same frequency: another model.
                    // A table may come out the same from another byte.
                    if offset >= stream {
                        accepted += 1
                        #expect(other != model)
                    }
                    #expect(try ModelFile.read(ModelFile.write(other)) == other)
                } catch {
                    if offset >= stream { noticed += 1 }
                    #expect(error.offset <= parts.file.count)
                }
            }
        }
        #expect(noticed > 1_000 && accepted * 100 < noticed)
    }

    @Test("a stream that is cut, longer, or of fewer or more weights is refused")
    func consumption() throws {
        let parts = try Self.sample().parts
        for length in parts.coded.indices {
            var cut = parts
            cut.coded = Array(parts.coded[..<length])
            #expect(throws: ModelFileError.self) { try ModelFile.read(cut.file) }
        }
        for extra in [0, 1, 0xff] as [UInt8] {
            var longer = parts
            longer.coded.append(extra)
            #expect(throws: ModelFileError.self) { try ModelFile.read(longer.file) }
        }
        for step in [-6, -1, 1, 6] {
            var other = parts
            other.count = UInt32(Int(parts.count) + step)
            #expect(throws: ModelFileError.self) { try ModelFile.read(other.file) }
        }
    }

    @Test("every field is checked where it stands")
    func fields() throws {
        let parts = try Self.sample().parts
        let tables = Self.tableStart(parts)
        let stream = Self.streamStart(parts)
        // The last byte of group numbers has unused bits: 6 outputs with 1, 2 or 3 bits.
        try #require(parts.coded[1] < 4 && Self.outputs * Int(parts.coded[1]) % 8 != 0)
        let changes: [(offset: Int, value: UInt8)] = [
            (0, 128), (0, 255), (1, 5), (1, 255), (tables - 1, parts.coded[tables - 1] | 0x80),
            (tables, 192), (stream - 1, 255),
        ]
        for change in changes {
            var damaged = parts
            damaged.coded[change.offset] = change.value
            #expect(throws: ModelFileError(.badWeights, offset: parts.offset + change.offset)) {
                try ModelFile.read(damaged.file)
            }
        }
        // A state no encoder ends in.
        for state: [UInt8] in [[0, 0, 0, 0x80], [0xff, 0xff, 0x7f, 0]] {
            var damaged = parts
            damaged.coded.replaceSubrange(stream..<stream + 4, with: state)
            #expect(throws: ModelFileError(.badWeights, offset: parts.offset + stream)) {
                try ModelFile.read(damaged.file)
            }
        }
    }

    @Test("counts and lengths that lie are refused before anything is allocated")
    func lies() throws {
        let parts = try Self.sample().parts
        var lie = parts
        // All weights zero: the digits never run out.
        lie.coded = [0, 0, 16, 0, 0, 0x80, 0]
        lie.count = 1 << 30 - 4
        #expect(throws: ModelFileError(.badWeights, offset: parts.offset)) { try ModelFile.read(lie.file) }
        lie.count = 64 * 7 - 4
        lie.count -= lie.count % 6
        // Decodes, and does not fit the shape of the layer.
        let error = #expect(throws: ModelFileError.self) { try ModelFile.read(lie.file) }
        guard case .invalidModel = error?.reason else {
            Issue.record("the weights decode")
            return
        }
        lie = parts
        lie.claimedLength = 1 << 30
        let truncated = ModelFileError(
            .truncated(expected: 1 << 30, found: parts.coded.count), offset: parts.offset)
        #expect(throws: truncated) { try ModelFile.read(lie.file) }
        lie.claimedLength = .max
        #expect(throws: ModelFileError.self) { try ModelFile.read(lie.file) }
    }

    @Test("an older version with coded weights, and a later encoding, are refused politely")
    func versions() throws {
        var parts = try Self.sample().parts
        parts.minor = 1
        #expect(throws: ModelFileError(.unknownEncoding(1), offset: parts.offset - 5)) {
            try ModelFile.read(parts.file)
        }
        parts.minor = 3
        _ = try ModelFile.read(parts.file)
        parts.encoding = 2
        #expect(throws: ModelFileError(.unknownEncoding(2), offset: parts.offset - 5)) {
            try ModelFile.read(parts.file)
        }
    }
}
