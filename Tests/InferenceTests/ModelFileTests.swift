import Digests
import Inference
import Testing

@Suite struct ModelFileTests {
    @Test("what is written reads back equal, and writes the same bytes again", arguments: 0..<60)
    func roundTrip(seed: Int) throws {
        let model =
            try seed < 30 ? RandomModel.make(seed: UInt64(seed)) : RandomModel.branched(seed: UInt64(seed))
        let bytes = ModelFile.write(model)
        // Only a model that needs newer layers or encodings asks for a newer reader.
        let hasCodedWeights = [17, 21, 34].contains(seed)
        #expect(bytes[10] == (hasCodedWeights ? 2 : seed < 30 ? 0 : 1))
        let again = try ModelFile.read(bytes)
        #expect(again == model)
        #expect(ModelFile.write(again) == bytes)
        #expect(ModelFile.contentHash(bytes) == SHA256.hash(bytes))
    }

    /// The smallest of many random models, so that every byte can be damaged in turn.
    static func smallFile(branched: Bool = false) throws -> [UInt8] {
        let files = try (0..<60).map { seed in
            ModelFile.write(
                try branched
                    ? RandomModel.branched(seed: UInt64(seed)) : RandomModel.make(seed: UInt64(seed)))
        }
        return try #require(files.filter { $0.count > 600 }.min { $0.count < $1.count })
    }

    @Test("a file cut anywhere is refused")
    func truncation() throws {
        let bytes = try Self.smallFile()
        for length in bytes.indices {
            #expect(throws: ModelFileError.self) { try ModelFile.read(Array(bytes[..<length])) }
        }
        #expect(throws: ModelFileError(.trailingBytes(1), offset: bytes.count)) {
            try ModelFile.read(bytes + [0])
        }
    }

    @Test("one changed byte anywhere is refused", arguments: [0x01, 0x80, 0xff] as [UInt8])
    func flippedByte(mask: UInt8) throws {
        let bytes = try Self.smallFile()
        for offset in bytes.indices {
            var damaged = bytes
            damaged[offset] ^= mask
            let error = #expect(throws: ModelFileError.self) { try ModelFile.read(damaged) }
            #expect((0...bytes.count).contains(error?.offset ?? -1))
        }
    }

    @Test(
        "damage behind correct hashes never traps and never yields another file",
        arguments: [0x01, 0x80, 0xff] as [UInt8], [false, true])
    func resealed(mask: UInt8, branched: Bool) throws {
        let bytes = try Self.smallFile(branched: branched)
        var accepted = 0
        for offset in 256..<bytes.count {
            var damaged = bytes
            damaged[offset] ^= mask
            damaged = Self.sealed(damaged)
            guard let model = try? ModelFile.read(damaged) else { continue }
            accepted += 1
            #expect(ModelFile.write(model) == damaged)
            _ = IntegerExecutor(model).logits(pixels: [UInt8](repeating: 200, count: model.input.byteCount))
        }
        // Most bytes are weights.
        #expect(accepted > 0)
    }

    /// Writes the hashes of a four-section file anew.
    static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        var offset = 256
        for section in 0..<4 {
            let entry = 64 + section * 48
            let length = (0..<8).reversed().reduce(0) { $0 << 8 | Int(bytes[entry + 8 + $1]) }
            let hash = SHA256.hash(Array(bytes[offset..<offset + length]))
            result.replaceSubrange(entry + 16..<entry + 48, with: hash)
            offset += length
        }
        result.replaceSubrange(32..<64, with: SHA256.hash(Array(result[..<32] + result[64..<256])))
        return result
    }

    @Test("other files and other versions say so")
    func versions() throws {
        #expect(throws: ModelFileError(.notAModelFile, offset: 0)) {
            try ModelFile.read(Array("PK\u{3}".utf8))
        }
        #expect(throws: ModelFileError(.truncated(expected: 8, found: 0), offset: 0)) {
            try ModelFile.read([])
        }
        var bytes = try Self.smallFile()
        bytes[8] = 2
        #expect(throws: ModelFileError(.unsupportedVersion(major: 2, minor: 0), offset: 8)) {
            try ModelFile.read(bytes)
        }
    }

    @Test("a later minor version with a further section is read")
    func laterMinor() throws {
        let bytes = try Self.smallFile()
        let extra: [UInt8] = [1, 2, 3]
        var later = Array(bytes[..<256])
        later[10] = 3
        later[12] = 5
        let entry: [UInt8] = [99, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0] + SHA256.hash(extra)
        let length = bytes.count + entry.count + extra.count
        for i in 0..<8 { later[16 + i] = UInt8(truncatingIfNeeded: length >> (8 * i)) }
        later += entry
        later.replaceSubrange(32..<64, with: SHA256.hash(Array(later[..<32] + later[64...])))
        later += bytes[256...] + extra
        #expect(try ModelFile.read(later) == ModelFile.read(bytes))
    }

    @Test("sizes that lie allocate nothing")
    func lies() throws {
        var bytes = try Self.smallFile()
        for i in 16..<24 { bytes[i] = 0x7f }
        let error = #expect(throws: ModelFileError.self) { try ModelFile.read(bytes) }
        guard case .truncated = error?.reason else {
            Issue.record("the length is checked first")
            return
        }
        // A section of 4 GiB in a small file, under a correct header hash.
        bytes = try Self.smallFile()
        bytes[64 + 3 * 48 + 12] = 1
        bytes.replaceSubrange(32..<64, with: SHA256.hash(Array(bytes[..<32] + bytes[64..<256])))
        #expect(throws: ModelFileError(.badSection(section: 4), offset: 64 + 3 * 48 + 8)) {
            try ModelFile.read(bytes)
        }
    }
}
