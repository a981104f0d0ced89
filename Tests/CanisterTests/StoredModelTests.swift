import Candid
import Canister
import Digests
import Inference
import Kernels
import Testing

/// A model of several dense layers, so that there is something between two slices.
private func deepModel(seed: UInt64, layers: Int = 6, width: Int = 40) throws -> QuantizedModel {
    var random = SplitMix64(seed: seed)
    func dense(_ inputs: Int, _ outputs: Int, isLast: Bool) -> QuantizedLayer {
        .dense(
            QuantizedDense(
                outputs: outputs, weights: (0..<inputs * outputs).map { _ in Int8(random.index(below: 255) - 127) },
                bias: (0..<outputs).map { _ in Int32(random.index(below: 2_000) - 1_000) },
                multipliers: [Float](repeating: isLast ? 0.01 : 0.002, count: outputs),
                output: isLast ? .logits : .activations(low: 0, high: 127)))
    }
    var list: [QuantizedLayer] = [.flatten]
    for index in 0..<layers {
        list.append(dense(index == 0 ? 30 : width, index == layers - 1 ? 3 : width, isLast: index == layers - 1))
    }
    return try QuantizedModel(
        name: Array("deep".utf8),
        input: InputGeometry(height: 6, width: 5, channels: 1, zeroPoints: [73], scale: 0.01), layers: list,
        labels: ["bag", "boot", "coat"].map { Array($0.utf8) }, logitScale: 0.002, provenance: [])
}

@Suite struct StoredModelTests {
    private static let pixels: [UInt8] = (0..<30).map { UInt8($0 * 8) }

    /// A canister in whose memory no model fits.
    private static func budgets(queries: Bool) -> Budgets {
        var budgets = Budgets()
        budgets.residentBytes = 0
        if !queries { budgets.queryStableBytes = 0 }
        return budgets
    }

    private func question(top: UInt32 = 3, _ pixels: [UInt8] = pixels) -> CandidValue {
        .record(["image": .variant("pixels", .blob(pixels)), "top": .optional(.nat32(top))])
    }

    private func logits(_ answer: CandidValue?) -> [Int32]? {
        guard let top = answer?["top"]?.asVector, top.count == 3 else { return nil }
        var logits = [Int32](repeating: 0, count: 3)
        for label in top {
            guard let index = label["index"]?.asUInt32, let logit = label["logit"]?.asInt32 else { return nil }
            logits[Int(index)] = logit
        }
        return logits
    }

    /// Calls until the answer is no longer `in_progress`; how often, and the answer.
    private func continued(
        _ canister: TestCanister, _ method: Method, _ argument: CandidValue, caller: [UInt8] = TestSystem.controller,
        between: (Int) throws -> Void = { _ in }
    ) throws -> (calls: Int, answer: CandidValue) {
        for call in 1...200 {
            let answer = try canister.call(method, argument, caller: caller)
            if answer.err?.payload(of: "in_progress") == nil { return (call, answer) }
            try between(call)
        }
        throw TestCanister.Fault.notOneAnswer
    }

    /// A model that stays in stable memory answers every query with the logits of the packed one.
    @Test func queriesReadFromStableMemory() throws {
        let model = try deepModel(seed: 3)
        let file = TestFile(ModelFile.write(model), chunkBytes: 500)
        let canister = try TestCanister(budgets: Self.budgets(queries: true))
        let info = try #require(try canister.activate(file).ok)
        #expect(info["multiply_accumulates"] == .nat64(model.multiplyAccumulates))
        let expected = IntegerExecutor(model).logits(pixels: Self.pixels)
        for _ in 0..<2 {
            #expect(try logits(canister.call(.classify, question()).ok) == expected)
            #expect(try canister.logits(Self.pixels) == expected)
            #expect(try logits(canister.call(.classifyUpdate, question()).ok) == expected)
            try canister.upgrade()
        }
        // A batch reads the weights for every picture: as many as a query may read.
        var few = Self.budgets(queries: true)
        few.queryStableBytes = 2 * UInt64(file.bytes.count)
        let small = try TestCanister(budgets: few)
        try small.activate(file)
        let image = CandidValue.variant("pixels", .blob(Self.pixels))
        #expect(try small.call(.logits, .vector([image, image])).ok != nil)
        #expect(
            try small.call(.logits, .vector([image, image, image])).err
                == .variant("too_large", .record(["limit": .nat64(2), "found": .nat64(3)])))
    }

    /// Verification goes layer by layer over many messages, whatever comes in between; the former model serves on.
    @Test(arguments: ["nothing", "upgrade", "other"]) func activationInSlices(between: String) throws {
        let canister = try TestCanister(budgets: Self.budgets(queries: true))
        let first = try TestFile(seed: 1)
        try canister.activate(first)
        let file = TestFile(ModelFile.write(try deepModel(seed: 4)), chunkBytes: 500)
        _ = try canister.call(.beginUpload, file.manifest)
        for index in file.chunks.indices { _ = try canister.call(.putChunk, file.chunk(index)) }
        canister.system.instructionsPerCall = 7_000_000_000
        var upgrades = 0
        let (calls, answer) = try continued(canister, .activate, .blob(file.sha256)) { call in
            #expect(try canister.call(.modelInfo).ok?["sha256"] == .blob(first.sha256))
            if between == "upgrade", call == 2 {
                try canister.upgrade()
                upgrades += 1
            }
            if between == "other" { _ = try canister.call(.rollback, .nat64(1)) }
        }
        #expect(answer.ok?["version"] == .nat64(2))
        #expect(calls > 3)
        #expect(upgrades == (between == "upgrade" ? 1 : 0))
    }

    /// Whatever is wrong inside a model that is checked in slices is found, and the former model serves on.
    @Test func damageIsFoundInSlices() throws {
        let canister = try TestCanister(budgets: Self.budgets(queries: true))
        let info = try canister.activate(TestFile(seed: 1))
        let good = ModelFile.write(try deepModel(seed: 5))
        for offset in stride(from: 0, to: good.count, by: 97) {
            var bytes = good
            bytes[offset] ^= 0x80
            let file = TestFile(bytes, chunkBytes: 4_000)
            #expect(try canister.activate(file).err?.payload(of: "bad_model") != nil)
            #expect(try canister.call(.modelInfo) == info)
            #expect(try canister.call(.abortUpload, .blob(file.sha256)).ok == .null)
        }
    }

    /// A query is refused before it spends anything; the update takes as many messages as it needs, for several
    /// callers and pictures at the same time, and answers what a whole run would have.
    @Test func classificationOverSeveralMessages() throws {
        let model = try deepModel(seed: 6)
        let canister = try TestCanister(budgets: Self.budgets(queries: false))
        #expect(try canister.activate(TestFile(ModelFile.write(model), chunkBytes: 500)).ok != nil)
        for (method, argument) in [
            (Method.classify, question()), (.classifyComposite, question()),
            (.logits, .vector([.variant("pixels", .blob(Self.pixels))])),
            (.logitsRaw, .record(["count": .nat32(1), "pixels": .blob(Self.pixels)])),
            (.classifyBatch, .record(["images": .vector([]), "top": .optional(nil)])),
        ] {
            let refusal = try canister.call(method, argument).err?.payload(of: "too_expensive")
            #expect(refusal?["instead"] == .text("classify_update"))
            #expect(refusal?["stable_byte_limit"] == .nat64(0))
        }
        canister.system.instructionsPerCall = 8_000_000_000
        let other: [UInt8] = Self.pixels.reversed()
        let executor = IntegerExecutor(model)
        var interleaved: CandidValue?
        let (calls, answer) = try continued(canister, .classifyUpdate, question()) { _ in
            if interleaved?.ok == nil {
                interleaved = try canister.call(.classifyUpdate, question(other), caller: TestSystem.stranger)
            }
        }
        #expect(calls > 3)
        #expect(logits(answer.ok) == executor.logits(pixels: Self.pixels))
        let (rest, second) = try continued(canister, .classifyUpdate, question(other), caller: TestSystem.stranger)
        // It had come most of the way already.
        #expect(rest < calls)
        #expect(logits(second.ok) == executor.logits(pixels: other))
        #expect((answer.ok?["instructions"]?.asUInt64 ?? 0) > UInt64(calls) * 8_000_000_000)
    }

    private func question(_ pixels: [UInt8]) -> CandidValue { question(top: 3, pixels) }

    /// An upgrade or another model in between starts a run anew; the answer names the model that gave it.
    @Test(arguments: [false, true]) func runsDoNotOutliveTheirModel(upgrades: Bool) throws {
        let canister = try TestCanister(budgets: Self.budgets(queries: false))
        let models = try [deepModel(seed: 7), deepModel(seed: 8)]
        let files = models.map { TestFile(ModelFile.write($0), chunkBytes: 500) }
        for file in files { try canister.activate(file) }
        canister.system.instructionsPerCall = 8_000_000_000
        let (calls, answer) = try continued(canister, .classifyUpdate, question()) { call in
            guard call == 2 else { return }
            if upgrades { return try canister.upgrade() }
            canister.system.instructionsPerCall = 1
            #expect(try canister.call(.rollback, .nat64(1)).ok != nil)
            canister.system.instructionsPerCall = 8_000_000_000
        }
        #expect(calls > 4)
        let active = upgrades ? 1 : 0
        #expect(answer.ok?["model_sha256"] == .blob(files[active].sha256))
        #expect(logits(answer.ok) == IntegerExecutor(models[active]).logits(pixels: Self.pixels))
    }

    /// A run counts once against the caller's rate, and its next messages are let in.
    @Test func aRunCountsOnce() throws {
        let canister = try TestCanister(budgets: Self.budgets(queries: false))
        try canister.activate(TestFile(ModelFile.write(try deepModel(seed: 9)), chunkBytes: 500))
        _ = try canister.call(.configure, testSettings(rate: 1))
        canister.system.instructionsPerCall = 8_000_000_000
        let caller = TestSystem.stranger
        let argument = try Candid.encode([question()], as: Method.classifyUpdate.argumentTypes)
        let (calls, answer) = try continued(canister, .classifyUpdate, question(), caller: caller) { _ in
            #expect(canister.isAccepted("classify_update", argument, caller: caller))
        }
        #expect(calls > 2)
        #expect(answer.ok != nil)
        #expect(!canister.isAccepted("classify_update", argument, caller: caller))
        #expect(try canister.call(.classifyUpdate, question(), caller: caller).err?.payload(of: "rate_limited") != nil)
    }

    /// One picture of an evaluation may take several messages, too.
    @Test func evaluationOverSeveralMessages() throws {
        let model = try deepModel(seed: 10)
        let canister = try TestCanister(budgets: Self.budgets(queries: false))
        try canister.activate(TestFile(ModelFile.write(model), chunkBytes: 500))
        let pictures = (0..<4).map { seed in Self.pixels.map { $0 &* UInt8(2 * seed + 1) } }
        let answers = pictures.map { Prediction.best(logits: IntegerExecutor(model).logits(pixels: $0)[...]) }
        let set = TestFile(
            Array("DEAI-SET".utf8) + [1, 0, 0, 0, 4, 0, 0, 0, 6, 0, 5, 0, 1, 0, 3, 0] + answers.map { UInt8($0) }
                + pictures.flatMap { $0 }, chunkBytes: 100)
        _ = try canister.call(.beginUpload, set.manifest)
        for index in set.chunks.indices { _ = try canister.call(.putChunk, set.chunk(index)) }
        canister.system.instructionsPerCall = 4_500_000_000
        var calls = 0
        var done: CandidValue?
        while done?["done"] != .nat64(4) {
            calls += 1
            try #require(calls < 100)
            done = try canister.call(.evaluate, .blob(set.sha256)).ok ?? done
        }
        #expect(calls > 8)
        #expect(done?["correct"] == .nat64(4))
    }

    /// Coded weights that would take more memory than a layer may have are refused before they are decoded.
    @Test func expansionIsBounded() throws {
        let outputs = 100
        let inputs = 600
        let model = try QuantizedModel(
            name: [], input: InputGeometry(height: 30, width: 20, channels: 1, zeroPoints: [0], scale: 1),
            layers: [
                .flatten,
                .dense(
                    QuantizedDense(
                        outputs: outputs, weights: (0..<inputs * outputs).map { $0 % 16 == 0 ? 1 : 0 },
                        bias: [Int32](repeating: 0, count: outputs),
                        multipliers: [Float](repeating: 1, count: outputs), output: .logits)),
            ], labels: (0..<outputs).map { [UInt8($0 % 26) + 65] }, logitScale: 1, provenance: [])
        let file = TestFile(ModelFile.write(model), chunkBytes: 1 << 20)
        #expect(file.bytes.count * 10 < inputs * outputs)
        for (layer, whole, limit) in [(59_999, 1 << 40, 59_999), (1 << 30, 50_000, 50_000)] {
            var budgets = Self.budgets(queries: true)
            (budgets.layerWeights, budgets.codedWeights) = (layer, UInt64(whole))
            let canister = try TestCanister(budgets: budgets)
            try canister.activate(TestFile(seed: 1))
            let served = try canister.call(.modelInfo)
            let refusal = try canister.activate(file).err?.payload(of: "too_large")
            #expect(refusal == .record(["limit": .nat64(UInt64(limit)), "found": .nat64(60_000)]))
            #expect(try canister.call(.modelInfo) == served)
        }
    }
}
