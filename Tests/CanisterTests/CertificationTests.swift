import Candid
import Canister
import Digests
import Inference
import Testing

/// A labelled test set of 6x5 grey pictures as a file.
private func testSet(_ labels: [UInt8], _ pictures: [[UInt8]], classes: UInt8 = 3) -> TestFile {
    let count = UInt8(labels.count)
    let head = Array("DEAI-SET".utf8) + [1, 0, 0, 0, count, 0, 0, 0, 6, 0, 5, 0, 1, 0, classes, 0]
    return TestFile(head + labels + pictures.flatMap { $0 }, chunkBytes: 200)
}

@Suite struct CertificationTests {
    private func witness(_ canister: TestCanister, _ method: Method) throws -> (CandidValue, Witness) {
        canister.system.certificate = [1, 2, 3]
        let answer = try #require(try canister.call(method, caller: TestSystem.stranger).ok)
        #expect(answer["certificate"] == .blob([1, 2, 3]))
        return (answer, try Witness(try #require(answer["witness"]?.asBytes)))
    }

    /// Certified data is the root of the witness, which shows hash, version and provenance of the active model, after
    /// every way to change it.
    @Test func theActiveModelIsCertified() throws {
        let canister = try TestCanister()
        #expect(canister.system.certifiedData.count == 32)
        #expect(try canister.call(.certifiedModel).err == .variant("no_model"))
        func check(_ version: UInt8, seed: UInt64) throws {
            let (answer, witness) = try witness(canister, .certifiedModel)
            #expect(witness.digest == canister.system.certifiedData)
            #expect(witness.leaf("model", "sha256") == (try TestFile(seed: seed).sha256))
            #expect(witness.leaf("model", "version") == [version])
            #expect(
                witness.leaf("model", "provenance_sha256")
                    == SHA256.hash(Array("{\"seed\":\(seed)}".utf8)))
            #expect(try canister.call(.modelInfo).ok == answer["model"])
        }
        try canister.activate(TestFile(seed: 1))
        try check(1, seed: 1)
        try canister.activate(TestFile(seed: 2))
        try check(2, seed: 2)
        _ = try canister.call(.rollback, .nat64(1))
        try check(1, seed: 1)
        canister.system.certifiedData = []
        try canister.upgrade()
        try check(1, seed: 1)
        canister.system.certificate = nil
        #expect(try canister.call(.certifiedModel).err?.payload(of: "bad_request") != nil)
    }

    /// Slices of any size, with upgrades in between, give the table that the executor gives.
    @Test(arguments: [1_000, 4_000_000_000, 30_000_000_000] as [UInt64], [false, true])
    func evaluation(instructions: UInt64, upgrades: Bool) throws {
        let canister = try TestCanister()
        try canister.activate(TestFile(seed: 4))
        let executor = IntegerExecutor(try testModel(seed: 4))
        let pictures = (0..<25).map { seed in
            (0..<30).map { UInt8(truncatingIfNeeded: $0 &* (seed &+ 7) &* 31) }
        }
        let labels = (0..<25).map { UInt8($0 % 3) }
        var confusion = [UInt32](repeating: 0, count: 9)
        for (label, picture) in zip(labels, pictures) {
            let answer = Prediction.best(logits: executor.logits(pixels: picture)[...])
            confusion[Int(label) * 3 + answer] += 1
        }
        let correct = UInt64(confusion[0] + confusion[4] + confusion[8])
        let set = testSet(labels, pictures)
        _ = try canister.call(.beginUpload, set.manifest)
        #expect(try canister.call(.evaluate, .blob(set.sha256)).err?.payload(of: "missing_chunks") != nil)
        for index in set.chunks.indices { _ = try canister.call(.putChunk, set.chunk(index)) }
        #expect(try canister.call(.certifiedEvaluation).err != nil)
        canister.system.instructionsPerCall = instructions
        var calls = 0
        var done: UInt64 = 0
        while done < 25 {
            calls += 1
            try #require(calls < 60)
            let answer = try canister.call(.evaluate, .blob(set.sha256))
            if answer.err?.payload(of: "in_progress") != nil {
                // The hash is not kept over an upgrade, only what was scored; give it the room it needs.
                canister.system.instructionsPerCall = min(instructions, 4_000_000_000)
                continue
            }
            let now = try #require(answer.ok?["done"]?.asUInt64)
            #expect(now > done)
            done = now
            if upgrades { try canister.upgrade() }
        }
        #expect(instructions == 1_000 ? calls == 1 : calls > 2)
        let (answer, witness) = try witness(canister, .certifiedEvaluation)
        #expect(answer["evaluation"]?["confusion"] == .vector(confusion.map { .nat32($0) }))
        #expect(answer["evaluation"]?["correct"] == .nat64(correct))
        #expect(witness.digest == canister.system.certifiedData)
        #expect(witness.leaf("evaluation", "data_sha256") == set.sha256)
        #expect(witness.leaf("evaluation", "model_sha256") == (try TestFile(seed: 4).sha256))
        #expect(witness.leaf("evaluation", "correct") == [UInt8(correct)])
        #expect(witness.leaf("evaluation", "images") == [25])
        #expect(
            witness.leaf("evaluation", "confusion")
                == confusion.flatMap { count in (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } }
        )
        // The model's own proof leaves the evaluation out, and has the same root.
        let (_, model) = try self.witness(canister, .certifiedModel)
        #expect(model.digest == canister.system.certifiedData)
        #expect(model.leaf("evaluation", "images") == nil)
        // Another model has not been evaluated.
        try canister.activate(TestFile(seed: 5))
        #expect(try self.witness(canister, .certifiedEvaluation).1.leaf("model", "sha256") == nil)
    }

    @Test func testSetsThatDoNotFit() throws {
        let canister = try TestCanister()
        try canister.activate(TestFile(seed: 4))
        let picture = [UInt8](repeating: 1, count: 30)
        let bad = [
            testSet([0], [picture], classes: 4), testSet([0, 1], [picture]), testSet([0], [picture, [1]]),
            testSet([], []), testSet([0, 9], [picture, picture]), TestFile([1, 2, 3], chunkBytes: 100),
        ]
        for file in bad {
            _ = try canister.call(.beginUpload, file.manifest)
            for index in file.chunks.indices { _ = try canister.call(.putChunk, file.chunk(index)) }
            for _ in 0..<2 { #expect(try canister.call(.evaluate, .blob(file.sha256)).err != nil) }
            #expect(try canister.call(.abortUpload, .blob(file.sha256)).ok == .null)
        }
        #expect(try canister.call(.evaluate, .blob(bad[0].sha256)).err == .variant("unknown_upload"))
        #expect(try canister.call(.certifiedEvaluation).err != nil)
    }
}
