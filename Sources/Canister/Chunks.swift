import Candid
import Digests
import IC0

/// One chunk of a file, its data where the message has them.
struct Chunk {
    enum Data {
        case bytes([UInt8])
        /// A part of the argument, which is not copied as a whole.
        case argument(offset: Int, count: Int)

        var count: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .argument(_, let count): count
            }
        }
    }

    let sha256: [UInt8]
    let index: UInt32
    let data: Data

    init(_ value: CandidValue) throws(ClassifierError) {
        guard let sha256 = value["sha256"], let index = value["index"]?.asUInt32,
            let data = value["data"]?.asBytes
        else { throw .badRequest("not a chunk") }
        self.sha256 = try hash(sha256)
        self.index = index
        self.data = .bytes(data)
    }

    /// Finds the fields of a message whose header is the method's own, without copying the data; nil for any other.
    ///
    /// By ascending id the fields are `sha256`, `data`, `index`.
    init?<System: SystemAPI>(_ system: System, _ signature: CandidSignature) {
        let size = system.argumentSize()
        let hashOffset = signature.header.count + 1
        let lengthOffset = hashOffset + 32
        let head = system.argument(from: 0, count: min(size, lengthOffset + 5))
        guard signature.begins(head), head.count > lengthOffset, head[hashOffset - 1] == 32 else { return nil }
        var length = 0
        var offset = lengthOffset
        var shift = 0
        repeat {
            // Four groups of seven bits: more than any message has bytes.
            guard shift < 28, offset < head.count else { return nil }
            length |= Int(head[offset] & 0x7f) << shift
            shift += 7
            offset += 1
        } while head[offset - 1] >= 0x80
        guard offset + length + 4 == size else { return nil }
        sha256 = [UInt8](head[hashOffset..<lengthOffset])
        index = system.argument(from: offset + length, count: 4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
        data = .argument(offset: offset, count: length)
    }
}

extension Classifier {
    /// Bytes of a chunk that are in memory at the same time.
    private static var pieceBytes: Int { 64 << 10 }

    /// Stores a chunk that has the promised hash; one that is there already changes nothing.
    ///
    /// The data pass through memory in pieces, twice: first for their hash, then to stable memory. So little of the
    /// heap changes, which is what the network charges for and keeps.
    func putChunk() throws(ClassifierError) -> CandidValue {
        try admit(.putChunk)
        let signature = signatures[Method.putChunk.rawValue].argument
        if let chunk = Chunk(system, signature) { return try putChunk(chunk) }
        return try putChunk(Chunk(try decode(system.argument(), .putChunk)[0]))
    }

    private func putChunk(_ chunk: Chunk) throws(ClassifierError) -> CandidValue {
        let upload = try upload(chunk.sha256)
        guard chunk.index < upload.chunks else {
            throw .badRequest(sentence("no such chunk", "index", Int(clamping: chunk.index)))
        }
        let length = upload.length(ofChunk: chunk.index)
        guard chunk.data.count == length else {
            throw .wrongSize(expected: UInt64(length), found: UInt64(chunk.data.count))
        }
        let expected = system.stableRead(at: upload.hashOffset(chunk.index), count: 32)
        var hasher = SHA256()
        pieces(of: chunk.data) { hasher.update($1) }
        let found = hasher.finalize()
        guard found == expected else { throw .hashMismatch(expected: expected, found: found) }
        if system.stableRead(at: upload.flagOffset(chunk.index), count: 1) != [1] {
            let offset = upload.file.offset + UInt64(chunk.index) * UInt64(upload.chunkBytes)
            pieces(of: chunk.data) { system.stableWrite(at: offset + UInt64($0), $1) }
            system.stableWrite(at: upload.flagOffset(chunk.index), [1])
        }
        return .record(["remaining": .nat32(remaining(upload))])
    }

    /// Calls `body` for one piece after the other with its offset in the chunk.
    private func pieces(of data: Chunk.Data, _ body: (Int, UnsafeRawBufferPointer) -> Void) {
        switch data {
        case .bytes(let bytes): bytes.withUnsafeBytes { body(0, $0) }
        case .argument(let offset, let count):
            var done = 0
            while done < count {
                let piece = system.argument(from: offset + done, count: min(Self.pieceBytes, count - done))
                piece.withUnsafeBytes { body(done, $0) }
                done += piece.count
            }
        }
    }

    /// How many chunks have not arrived.
    private func remaining(_ upload: Upload) -> UInt32 {
        var count: UInt32 = 0
        for flag in system.stableRead(at: upload.flagOffset(0), count: Int(upload.chunks)) where flag != 1 {
            count += 1
        }
        return count
    }
}
