import Candid
import Canister
import Inference
import Kernels
import Testing

@Suite struct InferringTests {
    private static let pixels: [UInt8] = (0..<30).map { UInt8(255 - $0 * 8) }

    private func serving() throws -> TestCanister {
        let canister = try TestCanister()
        try canister.activate(TestFile(seed: 4))
        return canister
    }

    private func question(_ image: CandidValue, top: UInt32? = nil) -> CandidValue {
        .record(["image": image, "top": .optional(top.map { .nat32($0) })])
    }

    /// Logits of query, update, batch and raw batch are those of the executor; probabilities are their softmax.
    @Test func answersAreThoseOfTheExecutor() throws {
        let canister = try serving()
        let expected = IntegerExecutor(try testModel(seed: 4)).logits(pixels: Self.pixels)
        for method in [Method.classify, .classifyUpdate, .classifyComposite] {
            let answer = try #require(
                try canister.call(
                    method, question(.variant("pixels", .blob(Self.pixels))), caller: TestSystem.stranger
                ).ok)
            let top = try #require(answer["top"]?.asVector)
            let order = expected.indices.sorted { expected[$0] > expected[$1] }
            #expect(top.compactMap { $0["index"]?.asUInt32 } == order.map { UInt32($0) })
            #expect(top.compactMap { $0["logit"]?.asInt32 } == order.map { expected[$0] })
            var sum: Float = 0
            for label in top {
                guard case .float32(let probability)? = label["probability"] else { continue }
                sum += probability
            }
            #expect(abs(sum - 1) < 1e-6)
            #expect(answer["model_version"] == .nat64(1))
            #expect(answer["instructions"] == .nat64(1_000))
        }
        #expect(try canister.logits(Self.pixels) == expected)
        let raw = try canister.call(
            .logitsRaw, .record(["count": .nat32(2), "pixels": .blob(Self.pixels + Self.pixels)]))
        let bytes = expected.flatMap { logit in
            (0..<4).map { UInt8(truncatingIfNeeded: logit >> Int32(8 * $0)) }
        }
        #expect(raw.ok?["logits"] == .blob(bytes + bytes))
    }

    /// The hot path reads and writes what the general encoder and decoder would, for any header and any damage.
    @Test func theHotPathIsTheGeneralPath() throws {
        let canister = try serving()
        let type = Method.classify.argumentTypes[0]
        guard case .record(let fields) = type else { return }
        let wider = CandidType.record(CandidFields(fields.list + [CandidField("zzz", .nat8)]))
        let file = png(width: 5, height: 6, channels: 1, pixels: Self.pixels)
        for image in [CandidValue.variant("pixels", .blob(Self.pixels)), .variant("png", .blob(file))] {
            for top in [nil, 0, 2, .max] as [UInt32?] {
                let value = question(image, top: top)
                guard case .record(let record) = value else { return }
                let more = CandidValue.record(
                    CandidRecord(record.list + [.init(id: Candid.hash("zzz"), value: .nat8(1))]))
                let own = try canister.bytes(.classify, Candid.encode([value], as: [type]))
                let other = try canister.bytes(.classify, Candid.encode([more], as: [wider]))
                #expect(own == other)
                let answer = try Candid.decode(own, as: [Method.classify.resultType])
                #expect(try Candid.encode(answer, as: [Method.classify.resultType]) == own)
                #expect(answer[0].ok != nil)
            }
        }
        // Every truncation and every damaged byte gives the same verdict as the general decoder's.
        let whole = try Candid.encode([question(.variant("pixels", .blob(Self.pixels)), top: 1)], as: [type])
        for index in whole.indices {
            var damaged = whole
            damaged[index] ^= 1
            for message in [damaged, [UInt8](whole[..<index])] {
                let isGood = (try? Candid.decode(message, as: [type])) != nil
                guard case .replied(let answer) = try canister.raw(.classify, message, caller: [9]) else {
                    throw TestCanister.Fault.rejected
                }
                #expect((answer.err?.payload(of: "bad_request") == nil) == isGood)
            }
        }
    }

    @Test(arguments: [(nil, 3), (0, 0), (1, 1), (2, 2), (3, 3), (400, 3), (.max, 3)] as [(UInt32?, Int)])
    func top(asked: UInt32?, given: Int) throws {
        let answer = try serving().call(
            .classify, question(.variant("pixels", .blob(Self.pixels)), top: asked))
        #expect(answer.ok?["top"]?.asVector?.count == given)
    }

    /// A PNG of the model's size gives the very logits of its pixels; any other size is fitted.
    @Test func pictures() throws {
        let canister = try serving()
        func logits(_ file: [UInt8]) throws -> CandidValue {
            try canister.call(.logits, .vector([.variant("png", .blob(file))]))
        }
        let exact = png(width: 5, height: 6, channels: 1, pixels: Self.pixels)
        #expect(
            try logits(exact).ok?["logits"]
                == canister.call(.logits, .vector([.variant("pixels", .blob(Self.pixels))])).ok?["logits"])
        let large = png(width: 40, height: 9, channels: 3, pixels: [UInt8](repeating: 90, count: 40 * 9 * 3))
        let flat = try canister.logits([UInt8](repeating: 90, count: 30))
        #expect(try logits(large).ok?["logits"]?.asVector?.first?.asVector?.compactMap(\.asInt32) == flat)
        for length in 0..<exact.count {
            #expect(try logits([UInt8](exact[..<length])).err?.payload(of: "bad_image") != nil)
        }
    }

    @Test(arguments: [0, 1, 29, 31, 90])
    func rawPixelsMustFitExactly(count: Int) throws {
        let image: CandidValue = .variant("pixels", .blob([UInt8](repeating: 0, count: count)))
        let error: CandidValue = .variant(
            "wrong_size", .record(["expected": .nat64(30), "found": .nat64(UInt64(count))]))
        let canister = try serving()
        #expect(try canister.call(.classify, question(image)).err == error)
        #expect(try canister.call(.logits, .vector([image])).err == error)
        #expect(
            try canister.call(
                .logitsRaw,
                .record(["count": .nat32(.max), "pixels": .blob([UInt8](repeating: 0, count: count))])
            ).err?.payload(of: "wrong_size") != nil)
    }

    /// A batch that would run into the limit of a query ends with the number of pictures that fit.
    @Test func batchesStopInTime() throws {
        let canister = try serving()
        canister.system.instructionsPerCall = 1_000_000_000
        let error = try canister.call(
            .logitsRaw, .record(["count": .nat32(50), "pixels": .blob([UInt8](repeating: 1, count: 1_500))])
        ).err
        #expect(error == .variant("too_large", .record(["limit": .nat64(3), "found": .nat64(50)])))
    }

    @Test func withoutAModel() throws {
        let canister = try TestCanister()
        let image: CandidValue = .variant("pixels", .blob([]))
        #expect(try canister.call(.classify, question(image)).err == .variant("no_model"))
        #expect(try canister.call(.logits, .vector([])).err == .variant("no_model"))
        #expect(
            try canister.call(.logitsRaw, .record(["count": .nat32(0), "pixels": .blob([])])).err
                == .variant("no_model"))
    }
}

@Suite struct BatchTests {
    /// Each picture of a batch has the labels it has alone; one that is none has an error of its own.
    @Test func batches() throws {
        let canister = try TestCanister()
        try canister.activate(TestFile(seed: 4))
        let pictures = (0..<4).map { seed in (0..<30).map { UInt8(truncatingIfNeeded: $0 * (seed + 3)) } }
        var images = pictures.map { CandidValue.variant("pixels", .blob($0)) }
        images.insert(.variant("png", .blob([1, 2, 3])), at: 2)
        let answer = try #require(
            try canister.call(
                .classifyBatch, .record(["images": .vector(images), "top": .optional(.nat32(2))])
            ).ok)
        let answers = try #require(answer["answers"]?.asVector)
        #expect(answers.count == 5)
        for (image, answer) in zip(images, answers) {
            let alone = try canister.call(
                .classify, .record(["image": image, "top": .optional(.nat32(2))]))
            #expect(answer.ok == alone.ok?["top"])
            #expect(answer.err == alone.err)
        }
        #expect(answers[2].err?.payload(of: "bad_image") != nil)
        canister.system.instructionsPerCall = 2_000_000_000
        #expect(
            try canister.call(
                .classifyBatch, .record(["images": .vector(images), "top": .optional(nil)])
            ).err == .variant("too_large", .record(["limit": .nat64(1), "found": .nat64(5)])))
    }
}

@Suite struct HostileArgumentTests {
    /// Whatever bytes arrive, a method gives one answer; it never traps and a query never writes.
    @Test(arguments: Method.allCases)
    func fuzzedArguments(method: Method) throws {
        let canister = try TestCanister()
        let file = try TestFile(seed: 5)
        try canister.activate(file)
        _ = try canister.call(.beginUpload, TestFile([1, 2, 3], chunkBytes: 2).manifest)
        let seeds = try Self.examples(file).map { types, value in try Candid.encode([value], as: [types]) }
        var random = SplitMix64(seed: 99)
        let before = canister.system.stable
        var answers = 0
        for _ in 0..<1_500 {
            var argument = seeds[random.index(below: seeds.count)]
            for _ in 0..<random.index(below: 4) {
                argument[random.index(below: argument.count)] = UInt8(random.index(below: 256))
            }
            if random.index(below: 5) == 0 { argument.removeLast(random.index(below: argument.count)) }
            switch try canister.raw(method, argument, caller: TestSystem.controller) {
            case .replied: answers += 1
            // The only arguments without an error to answer with.
            case .rejected: #expect(argument != seeds[0] || [.httpRequest, .httpStream].contains(method))
            }
        }
        #expect(answers > 0)
        if method.kind != .update { #expect(canister.system.stable == before) }
        if method.kind != .update { #expect(try canister.logits([UInt8](repeating: 3, count: 30)) != nil) }
    }

    /// Space bombs and arguments beyond the limit cost an error, not memory.
    @Test(arguments: [Method.classify, .beginUpload, .logits])
    func bombs(method: Method) throws {
        let canister = try TestCanister()
        let vectorOfNulls: [UInt8] = [
            0x44, 0x49, 0x44, 0x4c, 1, 0x6d, 0x7f, 1, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03,
        ]
        guard
            case .replied(let answer) = try canister.raw(method, vectorOfNulls, caller: TestSystem.controller)
        else { throw TestCanister.Fault.rejected }
        #expect(answer.err?.payload(of: "bad_request") != nil)
        let long = [UInt8](repeating: 0, count: 5 << 20)
        guard case .replied(let refused) = try canister.raw(method, long, caller: TestSystem.controller)
        else { throw TestCanister.Fault.rejected }
        #expect(refused.err?.payload(of: "too_large") != nil)
    }

    private static func examples(_ file: TestFile) throws -> [(CandidType, CandidValue)] {
        let image: CandidValue = .variant(
            "png", .blob(png(width: 5, height: 6, channels: 1, pixels: [UInt8](repeating: 9, count: 30))))
        let hash: CandidValue = .blob(file.sha256)
        return [
            (Method.classify.argumentTypes[0], .record(["image": image, "top": .optional(.nat32(2))])),
            (
                Method.logits.argumentTypes[0],
                .vector([image, .variant("pixels", .blob([UInt8](repeating: 1, count: 30)))])
            ),
            (
                Method.logitsRaw.argumentTypes[0],
                .record(["count": .nat32(1), "pixels": .blob([UInt8](repeating: 2, count: 30))])
            ),
            (Method.beginUpload.argumentTypes[0], TestFile([4, 5, 6, 7], chunkBytes: 3).manifest),
            (Method.putChunk.argumentTypes[0], TestFile([1, 2, 3], chunkBytes: 2).chunk(1)),
            (
                Method.classifyBatch.argumentTypes[0],
                .record(["images": .vector([image]), "top": .optional(nil)])
            ),
            (
                Method.downloadChunk.argumentTypes[0],
                .record(["sha256": hash, "offset": .nat64(3), "length": .nat32(9)])
            ),
            (
                Method.grantRole.argumentTypes[0],
                .record(["who": .principal([5]), "role": .variant("trainer")])
            ),
            (Method.configure.argumentTypes[0], testSettings(readersOnly: true)),
            (
                Method.httpRequest.argumentTypes[0],
                .record([
                    "method": .text("GET"), "url": .text("/model.deai"),
                    "headers": .vector([.tuple([.text("host"), .text("a")])]), "body": .blob([]),
                    "certificate_version": .optional(.nat16(2)),
                ])
            ),
            (Method.httpStream.argumentTypes[0], .record(["sha256": hash, "offset": .nat64(3)])),
            (.blob, hash), (.nat64, .nat64(1)), (.principal, .principal([1, 2, 3])), (.null, .null),
        ]
    }
}
