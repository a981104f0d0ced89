import Candid
import Digests
import InternetComputer

/// Where chunks go: the upload methods of the classifier canister, or a fake of them in tests.
public protocol UploadTarget: Sendable {
    /// Opens the upload, or finds it open; gives the chunks that are missing.
    func begin(_ plan: UploadPlan) async throws(ClassifierError) -> [UInt32]
    func missingChunks(sha256: [UInt8]) async throws(ClassifierError) -> [UInt32]
    /// Takes the bytes of a chunk over, so that they are not kept while it is under way.
    func put(sha256: [UInt8], index: UInt32, data: consuming [UInt8]) async throws(ClassifierError)
    /// `onProgress` hears how many bytes have been verified, and of how many, when that takes several messages.
    func activate(
        sha256: [UInt8], onProgress: (UInt64, UInt64) -> Void
    ) async throws(ClassifierError) -> ModelInfo
    func abort(sha256: [UInt8]) async throws(ClassifierError)
}

extension ClassifierClient: UploadTarget {
    public func begin(_ plan: UploadPlan) async throws(ClassifierError) -> [UInt32] {
        let type = CandidType.record([
            "size": .nat64, "sha256": .blob, "chunk_bytes": .nat32, "chunk_sha256": .vector(.blob),
            "merkle_root": .optional(.blob),
        ])
        let manifest = CandidValue.record([
            "size": .nat64(plan.size), "sha256": .blob(plan.sha256),
            "chunk_bytes": .nat32(UInt32(plan.chunkBytes)),
            "chunk_sha256": .vector(plan.chunkHashes.map { .blob($0) }),
            "merkle_root": .optional(.blob(MerkleTree.root(ofChunkHashes: plan.chunkHashes))),
        ])
        let answer = try ok(await update("begin_upload", [manifest], [type]), "begin_upload")
        guard let missing = answer["missing"]?.indices else { throw .notAClassifier(method: "begin_upload") }
        return missing
    }

    public func missingChunks(sha256: [UInt8]) async throws(ClassifierError) -> [UInt32] {
        let answer = try ok(await query("missing_chunks", [.blob(sha256)], [.blob]), "missing_chunks")
        guard let missing = answer.indices else { throw .notAClassifier(method: "missing_chunks") }
        return missing
    }

    public func put(sha256: [UInt8], index: UInt32, data: consuming [UInt8]) async throws(ClassifierError) {
        let argument = try chunkArgument(sha256, index, consume data)
        _ = try ok(await update("put_chunk", argument), "put_chunk")
    }

    private func chunkArgument(
        _ sha256: [UInt8], _ index: UInt32, _ data: consuming [UInt8]
    ) throws(ClassifierError) -> [UInt8] {
        let type = CandidType.record(["sha256": .blob, "index": .nat32, "data": .blob])
        let chunk = CandidValue.record([
            "sha256": .blob(sha256), "index": .nat32(index), "data": .blob(data),
        ])
        return try encode("put_chunk", [chunk], [type])
    }

    /// Activates a file that is uploaded or stored; calls as often as the canister needs to verify it.
    public func activate(
        sha256: [UInt8], onProgress: (UInt64, UInt64) -> Void = { _, _ in }
    ) async throws(ClassifierError) -> ModelInfo {
        try await continued(onProgress) { () async throws(ClassifierError) in
            let answer = try ok(await update("activate", [.blob(sha256)], [.blob]), "activate")
            return try read("activate", answer, ModelInfo.init)
        }
    }

    public func abort(sha256: [UInt8]) async throws(ClassifierError) {
        _ = try ok(await update("abort_upload", [.blob(sha256)], [.blob]), "abort_upload")
    }
}
