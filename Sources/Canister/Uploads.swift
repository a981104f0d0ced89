import Candid
import Digests
import IC0

/// What a client promises to upload.
struct Manifest: Equatable {
    let size: UInt64
    let sha256: [UInt8]
    let chunkBytes: UInt32
    let chunkHashes: [[UInt8]]

    /// Checks everything that can be checked before any chunk is there.
    init(_ value: CandidValue) throws(ClassifierError) {
        guard let size = value["size"]?.asUInt64, let sha256 = value["sha256"],
            let chunkBytes = value["chunk_bytes"]?.asUInt32, let hashes = value["chunk_sha256"]?.asVector
        else { throw .badRequest("not a manifest") }
        self.sha256 = try hash(sha256)
        guard size > 0 else { throw .badRequest("a file must not be empty") }
        guard size <= Limits.fileBytes else { throw .tooLarge(limit: Limits.fileBytes, found: size) }
        guard chunkBytes > 0 else { throw .badRequest("chunk_bytes must not be 0") }
        guard chunkBytes <= UInt32(Limits.chunkBytes) else {
            throw .tooLarge(limit: UInt64(Limits.chunkBytes), found: UInt64(chunkBytes))
        }
        let count = (size + UInt64(chunkBytes) - 1) / UInt64(chunkBytes)
        guard count <= UInt64(Limits.chunks) else {
            throw .tooLarge(limit: UInt64(Limits.chunks), found: count)
        }
        guard UInt64(hashes.count) == count else {
            throw .wrongSize(expected: count, found: UInt64(hashes.count))
        }
        var list: [[UInt8]] = []
        list.reserveCapacity(hashes.count)
        for value in hashes { list.append(try hash(value)) }
        if let promised = value["merkle_root"]?.unwrapped {
            let expected = try hash(promised)
            let found = MerkleTree.root(ofChunkHashes: list)
            guard found == expected else { throw .hashMismatch(expected: expected, found: found) }
        }
        self.size = size
        self.chunkBytes = chunkBytes
        chunkHashes = list
    }
}

/// The 32 bytes of a SHA-256.
func hash(_ value: CandidValue) throws(ClassifierError) -> [UInt8] {
    let bytes = value.asBytes ?? []
    guard bytes.count == 32 else { throw .wrongSize(expected: 32, found: UInt64(bytes.count)) }
    return bytes
}

extension Classifier {
    /// Opens an upload, or finds it open; answers what is missing.
    ///
    /// A file that is stored already needs nothing: `activate` serves it.
    func beginUpload(_ manifest: Manifest) throws(ClassifierError) -> CandidValue {
        var directory = store.directory
        if directory.model(sha256: manifest.sha256) != nil { return .record(["missing": .vector([])]) }
        if let index = directory.uploadIndex(sha256: manifest.sha256) {
            let upload = directory.uploads[index]
            guard matches(upload, manifest) else {
                throw .badRequest("this file is being uploaded in other chunks; abort that upload first")
            }
            return .record(["missing": numbers(missing(upload))])
        }
        guard directory.uploads.count < Limits.uploads else {
            throw .badRequest("too many uploads are under way; finish or abort one first")
        }
        let owner = system.caller()
        try checkQuota(manifest.size, owner)
        let count = manifest.chunkHashes.count
        let filePages = Region.pages(for: manifest.size)
        let ledgerPages = Region.pages(for: Upload.ledgerBytes(chunks: count))
        guard let region = store.allocate(pages: filePages + ledgerPages) else { throw .outOfMemory }
        let upload = Upload(
            sha256: manifest.sha256, size: manifest.size, chunkBytes: manifest.chunkBytes,
            chunks: UInt32(count), file: Region(page: region.page, pages: filePages),
            ledger: Region(page: region.page + filePages, pages: ledgerPages), owner: owner)
        system.stableWrite(at: upload.ledger.offset, ledger(manifest.chunkHashes))
        directory.uploads.append(upload)
        store.commit(directory)
        return .record(["missing": numbers((0..<upload.chunks).map { $0 })])
    }

    /// The chunk hashes, then a 0 for each chunk.
    private func ledger(_ hashes: [[UInt8]]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(Upload.ledgerBytes(chunks: hashes.count)))
        for hash in hashes { bytes += hash }
        return bytes + [UInt8](repeating: 0, count: hashes.count)
    }

    private func matches(_ upload: Upload, _ manifest: Manifest) -> Bool {
        guard upload.size == manifest.size, upload.chunkBytes == manifest.chunkBytes else { return false }
        let stored = system.stableRead(at: upload.ledger.offset, count: manifest.chunkHashes.count * 32)
        var offset = 0
        for hash in manifest.chunkHashes {
            for byte in hash {
                if stored[offset] != byte { return false }
                offset += 1
            }
        }
        return true
    }

    func missingChunks(_ sha256: [UInt8]) throws(ClassifierError) -> CandidValue {
        if store.directory.model(sha256: sha256) != nil { return .vector([]) }
        return numbers(missing(try upload(sha256)))
    }

    /// Drops an upload and frees its pages; a trainer only what he began.
    func abortUpload(_ sha256: [UInt8]) throws(ClassifierError) -> CandidValue {
        var directory = store.directory
        guard let index = directory.uploadIndex(sha256: sha256) else { throw .unknownUpload }
        guard isAllowed(.uploaders) || directory.uploads[index].owner == system.caller() else {
            throw .notAuthorized
        }
        directory.uploads.remove(at: index)
        forgetVerification(of: sha256)
        store.commit(directory)
        return .null
    }

    func upload(_ sha256: [UInt8]) throws(ClassifierError) -> Upload {
        guard let index = store.directory.uploadIndex(sha256: sha256) else { throw .unknownUpload }
        return store.directory.uploads[index]
    }

    /// The indices of the chunks that have not arrived, ascending.
    func missing(_ upload: Upload) -> [UInt32] {
        let flags = system.stableRead(at: upload.flagOffset(0), count: Int(upload.chunks))
        var indices: [UInt32] = []
        for index in flags.indices where flags[index] != 1 { indices.append(UInt32(index)) }
        return indices
    }
}
