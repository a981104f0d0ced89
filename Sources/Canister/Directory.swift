import Digests

/// A run of 64 KiB pages of stable memory.
struct Region: Equatable, Sendable {
    static let pageBytes: UInt64 = 65_536

    let page: UInt64
    let pages: UInt64

    var offset: UInt64 { page * Region.pageBytes }
    var end: UInt64 { page + pages }

    /// Pages that hold this many bytes, at least one.
    static func pages(for bytes: UInt64) -> UInt64 { max(1, (bytes + pageBytes - 1) / pageBytes) }
}

/// A verified model file.
struct StoredModel: Equatable, Sendable {
    let version: UInt64
    let sha256: [UInt8]
    let size: UInt64
    /// Nanoseconds since 1970.
    var activatedAt: UInt64
    let file: Region
    /// Candid of `Interface.card`.
    let card: Region
    let cardBytes: UInt64
}

/// A file of which some chunks have arrived.
struct Upload: Equatable, Sendable {
    let sha256: [UInt8]
    let size: UInt64
    let chunkBytes: UInt32
    let chunks: UInt32
    let file: Region
    /// The SHA-256 of each chunk, then one byte per chunk: 1 when it has arrived.
    let ledger: Region

    static func ledgerBytes(chunks: Int) -> UInt64 { UInt64(chunks) * 33 }

    /// Bytes of the chunk at `index`.
    func length(ofChunk index: UInt32) -> Int {
        let start = UInt64(index) * UInt64(chunkBytes)
        return Int(min(UInt64(chunkBytes), size - start))
    }

    func hashOffset(_ index: UInt32) -> UInt64 { ledger.offset + UInt64(index) * 32 }
    func flagOffset(_ index: UInt32) -> UInt64 { ledger.offset + UInt64(chunks) * 32 + UInt64(index) }
}

/// Everything the canister remembers but for file contents: one record, replaced as a whole.
struct Directory: Equatable, Sendable {
    var nextVersion: UInt64 = 1
    /// 0 when no model is served.
    var activeVersion: UInt64 = 0
    /// Ascending by version.
    var models: [StoredModel] = []
    var uploads: [Upload] = []
    var uploaders: [[UInt8]] = []

    func model(sha256: [UInt8]) -> StoredModel? { models.first { $0.sha256 == sha256 } }
    func model(version: UInt64) -> StoredModel? { models.first { $0.version == version } }
    func uploadIndex(sha256: [UInt8]) -> Int? { uploads.firstIndex { $0.sha256 == sha256 } }

    /// The first free run of pages at or after `firstPage`: what no model and no upload occupies is free.
    func freeRegion(pages: UInt64, from firstPage: UInt64) -> Region {
        var used: [Region] = []
        for model in models { used += [model.file, model.card] }
        for upload in uploads { used += [upload.file, upload.ledger] }
        used.sort { $0.page < $1.page }
        var page = firstPage
        for region in used {
            if region.page >= page + pages { break }
            page = max(page, region.end)
        }
        return Region(page: page, pages: pages)
    }
}

extension Directory {
    /// The record's bytes; docs/canister.md lists the fields.
    var encoded: [UInt8] {
        var writer = RecordWriter()
        writer.append(nextVersion)
        writer.append(activeVersion)
        writer.append(UInt64(models.count))
        for model in models {
            writer.append(model.version)
            writer.append(model.sha256)
            writer.append(model.size)
            writer.append(model.activatedAt)
            writer.append(model.file)
            writer.append(model.card)
            writer.append(model.cardBytes)
        }
        writer.append(UInt64(uploads.count))
        for upload in uploads {
            writer.append(upload.sha256)
            writer.append(upload.size)
            writer.append(UInt64(upload.chunkBytes))
            writer.append(UInt64(upload.chunks))
            writer.append(upload.file)
            writer.append(upload.ledger)
        }
        writer.append(UInt64(uploaders.count))
        for principal in uploaders {
            writer.append(UInt64(principal.count))
            writer.append(principal)
        }
        return writer.bytes
    }

    /// Reads what `encoded` wrote; nil when the bytes are anything else.
    init?(_ bytes: [UInt8]) {
        var reader = RecordReader(bytes)
        self.init()
        nextVersion = reader.number()
        activeVersion = reader.number()
        for _ in 0..<reader.count(limit: 1_000) {
            models.append(
                StoredModel(
                    version: reader.number(), sha256: reader.bytes(32), size: reader.number(),
                    activatedAt: reader.number(), file: reader.region(), card: reader.region(),
                    cardBytes: reader.number()))
        }
        for _ in 0..<reader.count(limit: 1_000) {
            uploads.append(
                Upload(
                    sha256: reader.bytes(32), size: reader.number(),
                    chunkBytes: UInt32(truncatingIfNeeded: reader.number()),
                    chunks: UInt32(truncatingIfNeeded: reader.number()), file: reader.region(),
                    ledger: reader.region()))
        }
        for _ in 0..<reader.count(limit: 1_000) { uploaders.append(reader.bytes(reader.count(limit: 29))) }
        guard reader.isAtEnd else { return nil }
    }
}

private struct RecordWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ number: UInt64) {
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * shift))) }
    }

    mutating func append(_ more: [UInt8]) { bytes += more }

    mutating func append(_ region: Region) {
        append(region.page)
        append(region.pages)
    }
}

/// Reads numbers and bytes; after a fault it goes on with zeros and never is at the end.
struct RecordReader {
    private let source: [UInt8]
    private var offset = 0
    private var isSound = true

    init(_ bytes: [UInt8]) {
        source = bytes
    }

    var isAtEnd: Bool { isSound && offset == source.count }

    mutating func bytes(_ count: Int) -> [UInt8] {
        guard isSound, count <= source.count - offset else {
            isSound = false
            return [UInt8](repeating: 0, count: count)
        }
        offset += count
        return [UInt8](source[(offset - count)..<offset])
    }

    mutating func number() -> UInt64 {
        var value: UInt64 = 0
        for byte in bytes(8).reversed() { value = value << 8 | UInt64(byte) }
        return value
    }

    mutating func count(limit: UInt64) -> Int {
        let value = number()
        guard value <= limit else {
            isSound = false
            return 0
        }
        return Int(value)
    }

    mutating func region() -> Region { Region(page: number(), pages: number()) }
}
