import Inference
import Testing

@Suite struct StoredModelTests {
    private static func model(_ seed: Int, branched: Bool) throws -> QuantizedModel {
        try branched ? RandomModel.branched(seed: UInt64(seed)) : RandomModel.make(seed: UInt64(seed))
    }

    @Test("a model read from storage gives the logits of the packed one", arguments: 0..<150, [false, true])
    func logits(seed: Int, branched: Bool) throws {
        let model = try Self.model(seed, branched: branched)
        let storage = MemoryStorage(ModelFile.write(model))
        let outline = try ModelOutline(storage)
        #expect(outline.plan.map(\.output) == model.plan.map(\.output))
        #expect(outline.multiplyAccumulates == model.multiplyAccumulates)
        #expect(outline.packedInstructions == model.estimatedInstructions)
        #expect(outline.labels == model.labels && outline.name == model.name)
        var numbers = Numbers(UInt64(seed) &+ 77)
        let pixels = numbers.bytes(model.input.byteCount)
        let expected = IntegerExecutor(model).logits(pixels: pixels)
        let whole = StoredRun(outline, storage, pixels: pixels)
        #expect(try whole.advance { _ in true })
        #expect(whole.logits == expected)
        #expect(whole.done == whole.total)
        // One step a slice.
        let sliced = StoredRun(outline, storage, pixels: pixels)
        var slices = 0
        var isDone = false
        while !isDone {
            var steps = 0
            isDone = try sliced.advance { _ in
                steps += 1
                return steps == 1
            }
            slices += 1
        }
        #expect(slices >= model.layers.count)
        #expect(sliced.logits == expected)
    }

    /// Layers of several blocks of a megabyte, the last of them not whole, and outputs that are no multiple of eight.
    @Test("a layer larger than a block goes through in pieces", arguments: [1_003, 1_024])
    func blocks(outputs: Int) throws {
        var numbers = Numbers(5)
        let model = try QuantizedModel(
            name: [], input: InputGeometry(height: 50, width: 60, channels: 1, zeroPoints: [128], scale: 1),
            layers: [
                .flatten, RandomModel.dense(&numbers, inputs: 3_000, outputs: outputs, logits: false),
                RandomModel.dense(&numbers, inputs: outputs, outputs: 7, logits: true),
            ],
            labels: (0..<7).map { [UInt8($0) + 65] }, logitScale: 1, provenance: [])
        let file = Self.raw(model)
        #expect(try ModelFile.read(file) == model)
        let storage = MemoryStorage(file)
        let outline = try ModelOutline(storage)
        #expect(outline.codedWeights == 0)
        let pixels = numbers.bytes(3_000)
        let run = StoredRun(outline, storage, pixels: pixels)
        var progress: Set<UInt64> = []
        var isDone = false
        while !isDone {
            var steps = 0
            isDone = try run.advance { _ in
                steps += 1
                return steps == 1
            }
            progress.insert(run.done)
        }
        #expect(progress.count >= 5)
        #expect(run.logits == IntegerExecutor(model).logits(pixels: pixels))
        #expect(try Self.accepts(file))
        // -128 in the last row of the first layer.
        var damaged = file
        damaged[file.count - 8 * 7 - 9 - 7 * outputs - 3] = 0x80
        #expect(throws: ModelFileError.self) { try Self.accepts(ModelFileTests.sealed(damaged)) }
    }

    /// The file with the weights of its dense layers as they are, which is larger than the writer would have it.
    private static func raw(_ model: QuantizedModel) -> [UInt8] {
        func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        var tensors: [UInt8] = []
        for case .dense(let dense) in model.layers {
            for bias in dense.bias { tensors += word(UInt32(bitPattern: bias)) }
            for multiplier in dense.multipliers { tensors += word(multiplier.bitPattern) }
            tensors += word(UInt32(dense.weights.count)) + [0] + word(UInt32(dense.weights.count))
            tensors += dense.weights.map { UInt8(bitPattern: $0) }
        }
        let file = ModelFile.write(model)
        let lengths = (0..<3).map { section in
            (0..<4).reduce(0) { $0 | Int(file[64 + 48 * section + 8 + $1]) << (8 * $1) }
        }
        var bytes = Array(file[..<(256 + lengths.reduce(0, +))]) + tensors
        bytes.replaceSubrange(16..<20, with: word(UInt32(bytes.count)))
        bytes.replaceSubrange((64 + 48 * 3 + 8)..<(64 + 48 * 3 + 12), with: word(UInt32(tensors.count)))
        return ModelFileTests.sealed(bytes)
    }

    @Test("coded weights are decoded, and counted before", arguments: EntropyModels.Weights.allCases)
    func coded(kind: EntropyModels.Weights) throws {
        let model = try EntropyModels.model(kind, count: 30 * 200, outputs: 30)
        let file = ModelFile.write(model)
        let storage = MemoryStorage(file)
        let outline = try ModelOutline(storage)
        #expect(outline.weights == 6_000)
        #expect(outline.codedWeights == outline.largestLoad)
        #expect([0, 6_000].contains(outline.codedWeights))
        #expect(try Self.accepts(file))
        let pixels = [UInt8](repeating: 9, count: 200)
        let run = StoredRun(outline, storage, pixels: pixels)
        #expect(try run.advance { _ in true })
        #expect(run.logits == IntegerExecutor(model).logits(pixels: pixels))
    }

    /// Whether the slices accept the file; the error is theirs.
    private static func accepts(_ file: [UInt8]) throws -> Bool {
        let storage = MemoryStorage(file)
        var check = ModelFileCheck(try ModelOutline(storage), storage)
        while try !check.advance() {}
        #expect(check.done == UInt64(file.count))
        return true
    }

    @Test("a file in slices is accepted exactly when the whole one is", arguments: [0x01, 0x80] as [UInt8], [false, true])
    func sameVerdict(mask: UInt8, branched: Bool) throws {
        let bytes = try ModelFileTests.smallFile(branched: branched)
        #expect(try Self.accepts(bytes))
        for offset in bytes.indices {
            var damaged = bytes
            damaged[offset] ^= mask
            #expect(throws: ModelFileError.self) { try Self.accepts(damaged) }
            guard offset >= 256 else { continue }
            damaged = ModelFileTests.sealed(damaged)
            let whole = Result { () throws(ModelFileError) in try ModelFile.read(damaged) }
            let sliced = Result { try Self.accepts(damaged) }
            #expect(((try? whole.get()) != nil) == ((try? sliced.get()) != nil))
        }
        for length in bytes.indices { #expect(throws: ModelFileError.self) { try Self.accepts(Array(bytes[..<length])) } }
    }
}
