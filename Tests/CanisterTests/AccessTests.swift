import Candid
import Canister
import Testing

@Suite struct AccessTests {
    private static let changing: [Method] = [
        .beginUpload, .putChunk, .abortUpload, .activate, .rollback, .grantUploader, .revokeUploader,
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
        #expect(try canister.call(.beginUpload, file.manifest, caller: uploader).err == .variant("not_authorized"))
        #expect(try canister.call(.grantUploader, .principal(uploader)).ok == .null)
        #expect(try canister.call(.uploaders) == .vector([.principal(uploader)]))
        #expect(try canister.call(.beginUpload, file.manifest, caller: uploader).ok != nil)
        #expect(canister.isAccepted("put_chunk", caller: uploader))
        #expect(
            try canister.call(.grantUploader, .principal([9]), caller: uploader).err == .variant("not_authorized"))
        try canister.upgrade()
        #expect(try canister.call(.putChunk, file.chunk(0), caller: uploader).ok != nil)
        #expect(try canister.call(.revokeUploader, .principal(uploader)).ok == .null)
        #expect(try canister.call(.putChunk, file.chunk(1), caller: uploader).err == .variant("not_authorized"))
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
        for method in Method.allCases where method != .classifyUpdate {
            #expect(canister.isAccepted("\(method.name)", caller: controller))
            #expect(!canister.isAccepted("\(method.name)", [UInt8](repeating: 0, count: 3 << 20), caller: controller))
        }
        #expect(!canister.isAccepted("no_such_method", caller: controller))
        #expect(!canister.isAccepted("classify_update", caller: controller))
        try canister.activate(TestFile(seed: 1))
        #expect(canister.isAccepted("classify_update", caller: TestSystem.stranger))
    }
}
