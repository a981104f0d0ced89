import Candid
import Canister
import Testing

@Suite struct AccessTests {
    private static let changing: [Method] = [
        .beginUpload, .putChunk, .abortUpload, .activate, .rollback, .deleteVersion, .evaluate,
        .grantUploader, .revokeUploader, .grantRole, .revokeRole, .configure,
    ]

    /// Whoever is not entitled gets `not_authorized`, whatever the argument, and nothing changes.
    @Test(arguments: changing, [TestSystem.stranger, TestSystem.anonymous])
    func strangersChangeNothing(method: Method, caller: [UInt8]) throws {
        let canister = try TestCanister()
        let before = canister.system.stable
        guard case .replied(let answer) = try canister.raw(method, [1, 2, 3], caller: caller) else {
            throw TestCanister.Fault.rejected
        }
        #expect(answer.err == .variant("not_authorized"))
        #expect(!canister.isAccepted("\(method.name)", caller: caller))
        #expect(canister.system.stable == before)
    }

    @Test func uploadersMayUploadButNotGrant() throws {
        let canister = try TestCanister()
        let uploader = TestSystem.uploader
        let file = TestFile([1, 2, 3], chunkBytes: 2)
        #expect(
            try canister.call(.beginUpload, file.manifest, caller: uploader).err == .variant("not_authorized")
        )
        #expect(try canister.call(.grantUploader, .principal(uploader)).ok == .null)
        #expect(try canister.call(.uploaders) == .vector([.principal(uploader)]))
        #expect(try canister.call(.beginUpload, file.manifest, caller: uploader).ok != nil)
        #expect(canister.isAccepted("put_chunk", caller: uploader))
        #expect(
            try canister.call(.grantUploader, .principal([9]), caller: uploader).err
                == .variant("not_authorized"))
        try canister.upgrade()
        #expect(try canister.call(.putChunk, file.chunk(0), caller: uploader).ok != nil)
        #expect(try canister.call(.revokeUploader, .principal(uploader)).ok == .null)
        #expect(
            try canister.call(.putChunk, file.chunk(1), caller: uploader).err == .variant("not_authorized"))
    }

    /// Trainers bring files and have them scored; what is served, and other people's uploads, is not theirs.
    @Test func trainersUploadAndEvaluateOnly() throws {
        let canister = try TestCanister()
        let trainer = TestSystem.uploader
        let grant = CandidValue.record(["who": .principal(trainer), "role": .variant("trainer")])
        _ = try canister.call(.grantRole, grant)
        try canister.activate(TestFile(seed: 1))
        let mine = try TestFile(seed: 2)
        let other = try TestFile(seed: 3)
        _ = try canister.call(.beginUpload, other.manifest)
        #expect(try canister.call(.beginUpload, mine.manifest, caller: trainer).ok != nil)
        for index in mine.chunks.indices {
            #expect(try canister.call(.putChunk, mine.chunk(index), caller: trainer).ok != nil)
        }
        #expect(canister.isAccepted("evaluate", caller: trainer))
        #expect(try canister.call(.evaluate, .blob(mine.sha256), caller: trainer).err?.payload(of: "bad_request") != nil)
        for (method, argument) in [
            (Method.activate, CandidValue.blob(mine.sha256)), (.rollback, .nat64(1)), (.deleteVersion, .nat64(1)),
            (.abortUpload, .blob(other.sha256)),
        ] {
            #expect(try canister.call(method, argument, caller: trainer).err == .variant("not_authorized"))
        }
        #expect(!canister.isAccepted("activate", caller: trainer))
        #expect(try canister.call(.abortUpload, .blob(mine.sha256), caller: trainer).ok == .null)
        #expect(try canister.call(.modelInfo).ok?["version"] == .nat64(1))
    }

    @Test func theListOfUploadersIsBoundedAndHasNoDoubles() throws {
        let canister = try TestCanister()
        #expect(try canister.call(.grantUploader, .principal(TestSystem.anonymous)).err != nil)
        for index in 0..<256 {
            #expect(try canister.call(.grantUploader, .principal([7, UInt8(index)])).ok == .null)
        }
        #expect(try canister.call(.grantUploader, .principal([7, 3])).ok == .null)
        #expect(
            try canister.call(.grantUploader, .principal([8])).err
                == .variant("too_large", .record(["limit": .nat64(256), "found": .nat64(257)])))
        try canister.upgrade()
        #expect(try canister.call(.uploaders).asVector?.count == 256)
    }

    /// Inspection lets in what may succeed, and nothing that is too long or unknown.
    @Test func inspection() throws {
        let canister = try TestCanister()
        let controller = TestSystem.controller
        #expect(!canister.isAccepted("put_chunk", caller: controller))
        _ = try canister.call(.beginUpload, TestFile([1], chunkBytes: 1).manifest)
        for method in Method.allCases where method != .classifyUpdate {
            #expect(canister.isAccepted("\(method.name)", caller: controller))
            #expect(
                !canister.isAccepted(
                    "\(method.name)", [UInt8](repeating: 0, count: 3 << 20), caller: controller))
        }
        #expect(!canister.isAccepted("no_such_method", caller: controller))
        #expect(!canister.isAccepted("classify_update", caller: controller))
        try canister.activate(TestFile(seed: 1))
        #expect(canister.isAccepted("classify_update", caller: TestSystem.stranger))
    }
}

func testSettings(
    versions: UInt32 = 4, quota: UInt64? = nil, readersOnly: Bool = false, rate: UInt32? = nil
) -> CandidValue {
    .record([
        "versions_kept": .nat32(versions), "upload_quota_bytes": .optional(quota.map { .nat64($0) }),
        "readers_only": .bool(readersOnly), "updates_per_minute": .optional(rate.map { .nat32($0) }),
    ])
}

@Suite struct SettingsTests {
    private static let stranger = TestSystem.stranger

    private func grant(_ who: [UInt8], _ role: StaticString) -> CandidValue {
        .record(["who": .principal(who), "role": .variant(role)])
    }

    private func question() -> CandidValue {
        .record([
            "image": .variant("pixels", .blob([UInt8](repeating: 3, count: 30))), "top": .optional(nil),
        ])
    }

    @Test func rolesAreGrantedOneByOne() throws {
        let canister = try TestCanister()
        for role in ["uploader", "trainer", "reader"] as [StaticString] {
            #expect(try canister.call(.grantRole, grant([7], role)).ok == .null)
        }
        #expect(try canister.call(.revokeRole, grant([7], "trainer")).ok == .null)
        #expect(try canister.call(.revokeRole, grant([8], "trainer")).ok == .null)
        #expect(try canister.call(.grantRole, grant(TestSystem.anonymous, "reader")).err != nil)
        let expected: CandidValue = .vector([
            .record([
                "who": .principal([7]), "roles": .vector([.variant("uploader"), .variant("reader")]),
            ])
        ])
        #expect(try canister.call(.roles) == expected)
        try canister.upgrade()
        #expect(try canister.call(.roles) == expected)
        #expect(try canister.call(.uploaders) == .vector([.principal([7])]))
        _ = try canister.call(.revokeUploader, .principal([7]))
        _ = try canister.call(.revokeRole, grant([7], "reader"))
        #expect(try canister.call(.roles) == .vector([]))
    }

    /// With an allow-list only readers and controllers classify and download.
    @Test func readersOnly() throws {
        let canister = try TestCanister()
        let file = try TestFile(seed: 1)
        try canister.activate(file)
        #expect(try canister.call(.classify, question(), caller: Self.stranger).ok != nil)
        let settings = testSettings(readersOnly: true)
        #expect(try canister.call(.configure, settings).ok == .null)
        try canister.upgrade()
        #expect(try canister.call(.settings) == settings)
        for caller in [Self.stranger, TestSystem.anonymous] {
            for method in [Method.classify, .classifyUpdate, .classifyComposite] {
                #expect(
                    try canister.call(method, question(), caller: caller).err == .variant("not_authorized"))
            }
            #expect(!canister.isAccepted("classify_update", caller: caller))
            #expect(
                try canister.call(.downloadChunk, file.part(0, 10), caller: caller).err
                    == .variant("not_authorized"))
        }
        _ = try canister.call(.grantRole, grant(Self.stranger, "reader"))
        #expect(try canister.call(.classify, question(), caller: Self.stranger).ok != nil)
        #expect(canister.isAccepted("classify_update", caller: Self.stranger))
        #expect(try canister.call(.classify, question()).ok != nil)
    }

    /// The third update call within a minute of the first has to wait, then may come again; others are not affected.
    @Test func rate() throws {
        let canister = try TestCanister()
        try canister.activate(TestFile(seed: 1))
        _ = try canister.call(.configure, testSettings(rate: 2))
        canister.system.currentTime = 5_000_000_000
        func update(_ caller: [UInt8]) throws -> CandidValue? {
            try canister.call(.classifyUpdate, question(), caller: caller).err
        }
        #expect(try update(Self.stranger) == nil)
        canister.system.currentTime += 20_000_000_000
        #expect(try update(Self.stranger) == nil)
        #expect(
            try update(Self.stranger)
                == .variant("rate_limited", .record(["retry_after_seconds": .nat64(40)])))
        #expect(!canister.isAccepted("classify_update", caller: Self.stranger))
        #expect(try update([9, 9]) == nil)
        for _ in 0..<5 { #expect(try update(TestSystem.controller) == nil) }
        #expect(try canister.call(.classify, question(), caller: Self.stranger).ok != nil)
        canister.system.currentTime += 40_000_000_000
        #expect(canister.isAccepted("classify_update", caller: Self.stranger))
        #expect(try update(Self.stranger) == nil)
        for caller in 0..<3_000 {
            #expect(try update([1, UInt8(caller & 255), UInt8(caller >> 8)]) == nil)
        }
    }

    /// An uploader's files count, in upload and stored; controllers have no quota.
    @Test func quota() throws {
        let canister = try TestCanister()
        _ = try canister.call(.grantUploader, .principal(TestSystem.uploader))
        _ = try canister.call(.configure, testSettings(quota: 250))
        func begin(_ byte: UInt8, _ count: Int, _ caller: [UInt8] = TestSystem.uploader) throws
            -> CandidValue
        {
            try canister.call(
                .beginUpload, TestFile([UInt8](repeating: byte, count: count), chunkBytes: 50).manifest,
                caller: caller)
        }
        #expect(try begin(1, 100).ok != nil)
        #expect(try begin(2, 100).ok != nil)
        #expect(
            try begin(3, 51).err
                == .variant("quota_exceeded", .record(["limit": .nat64(250), "found": .nat64(251)])))
        #expect(try begin(3, 50).ok != nil)
        #expect(try begin(4, 1_000, TestSystem.controller).ok != nil)
        let first = TestFile([UInt8](repeating: 1, count: 100), chunkBytes: 50)
        _ = try canister.call(.abortUpload, .blob(first.sha256), caller: TestSystem.uploader)
        #expect(try begin(5, 100).ok != nil)
        #expect(try canister.call(.configure, testSettings(versions: 0)).err != nil)
        #expect(try canister.call(.configure, testSettings(versions: 65)).err != nil)
    }
}
