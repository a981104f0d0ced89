import Inference
import Kernels
import Testing

/// Files with several damages at once, behind correct hashes: refused, or read as another model that runs.
@Suite struct ModelFileFuzzTests {
    @Test(arguments: [UInt64(1), 2, 3, 4], [false, true])
    func mutations(seed: UInt64, branched: Bool) throws {
        let bytes = try ModelFileTests.smallFile(branched: branched)
        var random = SplitMix64(seed: seed)
        var (accepted, refused) = (0, 0)
        for _ in 0..<500 {
            var damaged = bytes
            for _ in 0...random.index(below: 4) {
                let at = 256 + random.index(below: damaged.count - 256 - 8)
                switch random.index(below: 3) {
                case 0: damaged[at] = UInt8(truncatingIfNeeded: random.next() >> 56)
                case 1: damaged[at] = [0, 0x7F, 0x80, 0xFF][random.index(below: 4)]
                default:
                    let from = 256 + random.index(below: damaged.count - 256 - 8)
                    let count = 1 + random.index(below: 8)
                    damaged.replaceSubrange(at..<(at + count), with: damaged[from..<(from + count)])
                }
            }
            damaged = ModelFileTests.sealed(damaged)
            guard let model = try? ModelFile.read(damaged) else {
                refused += 1
                continue
            }
            accepted += 1
            #expect(ModelFile.write(model) == damaged)
            _ = IntegerExecutor(model).logits(pixels: [UInt8](repeating: 200, count: model.input.byteCount))
        }
        #expect(accepted > 0 && refused > 0)
    }

    /// A header that claims 4 GiB, in a file of 100 bytes, and pieces taken out or put in anywhere.
    @Test func lengthsThatLie() throws {
        let bytes = try ModelFileTests.smallFile()
        var claim = Array(bytes[..<100])
        for index in 16..<24 { claim[index] = index == 20 ? 1 : 0 }
        #expect(throws: ModelFileError.self) { try ModelFile.read(claim) }
        var random = SplitMix64(seed: 9)
        for offset in bytes.indices.dropLast(8) {
            var damaged = bytes
            let piece = offset..<(offset + 1 + random.index(below: 8))
            if offset % 2 == 0 { damaged.removeSubrange(piece) } else { damaged.insert(contentsOf: bytes[piece], at: offset) }
            #expect(throws: ModelFileError.self) { try ModelFile.read(damaged) }
        }
    }
}
