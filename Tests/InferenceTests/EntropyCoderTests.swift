import Digests
import Inference
import Kernels
import Testing

@Suite struct EntropyCoderTests {
    @Test("weights of any distribution and size come back", arguments: EntropyModels.Weights.allCases)
    func roundTrip(kind: EntropyModels.Weights) throws {
        for (count, outputs) in [(1, 1), (7, 7), (40, 2), (510, 3), (2_600, 13), (12_000, 200)] {
            let model = try EntropyModels.model(kind, count: count, outputs: outputs)
            let bytes = ModelFile.write(model)
            let again = try ModelFile.read(bytes)
            #expect(again == model)
            #expect(ModelFile.write(again) == bytes)
            let parts = TakenApart(bytes, outputs: outputs)
            #expect(parts.file == bytes)
            // The shorter of the two, and the version that has it.
            #expect(parts.coded.count <= count)
            #expect((parts.encoding == 1) == (parts.coded.count < count))
            #expect(parts.minor == (parts.encoding == 1 ? 2 : 0))
        }
    }

    @Test(
        "the encoding is about as short as the entropy of the weights allows",
        arguments: [.bell, .narrowBell, .fourBits, .ternary, .sparse] as [EntropyModels.Weights])
    func length(kind: EntropyModels.Weights) throws {
        let weights = EntropyModels.weights(kind, count: 30_000, outputs: 10, seed: 3)
        let parts = TakenApart(
            ModelFile.write(try EntropyModels.model(weights, outputs: 10)), outputs: 10)
        #expect(Float(parts.coded.count) < Self.entropy(weights) * 1.01 + 40)
        #expect(Float(parts.coded.count) > Self.entropy(weights) * 0.99)
    }

    @Test("outputs of different width get tables of their own")
    func groups() throws {
        let weights = EntropyModels.weights(.widthByOutput, count: 30_000, outputs: 20, seed: 4)
        let parts = TakenApart(
            ModelFile.write(try EntropyModels.model(weights, outputs: 20)), outputs: 20)
        // 4 groups: 2 bits each.
        #expect(parts.coded[1] == 2)
        let each = (0..<4).map { width in
            Self.entropy(weights.indices.filter { $0 % 20 % 4 == width }.map { weights[$0] })
        }
        #expect(Float(parts.coded.count) < each.reduce(0, +) * 1.01 + 80)
        #expect(Float(parts.coded.count) < Self.entropy(weights) * 0.95)
    }

    @Test("even bytes stay raw, in a file for version 1.0")
    func incompressible() throws {
        let bytes = ModelFile.write(try EntropyModels.model(.uniform, count: 20_000, outputs: 10))
        let parts = TakenApart(bytes, outputs: 10)
        #expect(parts.minor == 0 && parts.encoding == 0 && parts.coded.count == 20_000)
    }

    @Test("the same weights give the same bytes today and tomorrow")
    func pinned() throws {
        let file = ModelFile.write(try EntropyModels.model(.widthByOutput, count: 4_000, outputs: 8))
        let expected = "ee0d0fa2103d38f09dd395cece6905cb482baaad0d56fcbeb8f679cbbf5f45bf"
        #expect(String(decoding: Hex.encode(SHA256.hash(file)), as: UTF8.self) == expected)
    }

    /// Bytes that an ideal coder with the true frequencies would need.
    private static func entropy(_ weights: [Int8]) -> Float {
        var counts = [Int](repeating: 0, count: 256)
        for weight in weights { counts[Int(weight) + 128] += 1 }
        return counts.reduce(0) { sum, count in
            count == 0
                ? sum
                : sum - Float(count) * Scalar.log(Float(count) / Float(weights.count)) / Scalar.log(2) / 8
        }
    }
}
