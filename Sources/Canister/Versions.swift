import Candid
import IC0

extension Classifier {
    /// Drops a stored version and frees its pages; the active one stays.
    func deleteVersion(_ version: UInt64) throws(ClassifierError) -> CandidValue {
        var directory = store.directory
        guard let index = directory.models.firstIndex(where: { $0.version == version }) else {
            throw .unknownVersion(version)
        }
        guard version != directory.activeVersion else {
            throw .badRequest("the active version cannot be deleted; activate another one first")
        }
        forgetVerification(of: directory.models.remove(at: index).sha256)
        store.commit(directory)
        return .null
    }

    /// A part of a stored file, from any offset; shorter at the end of the file.
    func downloadChunk(_ request: CandidValue) throws(ClassifierError) -> CandidValue {
        guard let sha256 = request["sha256"], let offset = request["offset"]?.asUInt64,
            let length = request["length"]?.asUInt32
        else { throw .badRequest("not a part of a file") }
        guard let stored = store.directory.model(sha256: try hash(sha256)) else { throw .unknownUpload }
        guard length <= UInt32(Limits.chunkBytes) else {
            throw .tooLarge(limit: UInt64(Limits.chunkBytes), found: UInt64(length))
        }
        guard offset <= stored.size else { throw .tooLarge(limit: stored.size, found: offset) }
        let count = Int(min(UInt64(length), stored.size - offset))
        return .record([
            "data": .blob(system.stableRead(at: stored.file.offset + offset, count: count)),
            "size": .nat64(stored.size),
        ])
    }
}
