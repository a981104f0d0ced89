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
    /// Who began its upload; empty when not known.
    let owner: [UInt8]
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
    /// Who began it; empty when not known.
    let owner: [UInt8]

    static func ledgerBytes(chunks: Int) -> UInt64 { UInt64(chunks) * 33 }

    /// Bytes of the chunk at `index`.
    func length(ofChunk index: UInt32) -> Int {
        let start = UInt64(index) * UInt64(chunkBytes)
        return Int(min(UInt64(chunkBytes), size - start))
    }

    func hashOffset(_ index: UInt32) -> UInt64 { ledger.offset + UInt64(index) * 32 }
    func flagOffset(_ index: UInt32) -> UInt64 { ledger.offset + UInt64(chunks) * 32 + UInt64(index) }
}

/// Somebody with at least one role.
struct Member: Equatable, Sendable {
    let principal: [UInt8]
    var roles: Roles
}

/// A test set being scored, or scored, by the active model.
struct StoredEvaluation: Equatable, Sendable {
    let modelSHA256: [UInt8]
    let dataSHA256: [UInt8]
    let images: UInt64
    let classes: UInt64
    var done: UInt64
    var correct: UInt64
    /// Of all messages together.
    var instructions: UInt64
    /// classes x classes counts (u32), rows by label, columns by answer.
    let confusion: Region
}

/// Everything the canister remembers but for file contents: one record, replaced as a whole.
struct Directory: Equatable, Sendable {
    var nextVersion: UInt64 = 1
    /// 0 when no model is served.
    var activeVersion: UInt64 = 0
    /// Ascending by version.
    var models: [StoredModel] = []
    var uploads: [Upload] = []
    var members: [Member] = []
    var settings = Settings()
    /// At most one.
    var evaluations: [StoredEvaluation] = []

    func model(sha256: [UInt8]) -> StoredModel? { models.first { $0.sha256 == sha256 } }
    func model(version: UInt64) -> StoredModel? { models.first { $0.version == version } }
    func uploadIndex(sha256: [UInt8]) -> Int? { uploads.firstIndex { $0.sha256 == sha256 } }

    /// The first free run of pages at or after `firstPage`: what no model and no upload occupies is free.
    func freeRegion(pages: UInt64, from firstPage: UInt64) -> Region {
        var used: [Region] = []
        for model in models { used += [model.file, model.card] }
        for upload in uploads { used += [upload.file, upload.ledger] }
        for evaluation in evaluations { used.append(evaluation.confusion) }
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
            writer.append(sized: model.owner)
        }
        writer.append(UInt64(uploads.count))
        for upload in uploads {
            writer.append(upload.sha256)
            writer.append(upload.size)
            writer.append(UInt64(upload.chunkBytes))
            writer.append(UInt64(upload.chunks))
            writer.append(upload.file)
            writer.append(upload.ledger)
            writer.append(sized: upload.owner)
        }
        writer.append(UInt64(members.count))
        for member in members {
            writer.append(sized: member.principal)
            writer.append(UInt64(member.roles.rawValue))
        }
        writer.append(UInt64(settings.versionsKept))
        writer.append(settings.uploadQuotaBytes)
        writer.append(settings.readersOnly ? 1 : 0)
        writer.append(UInt64(settings.updatesPerMinute))
        writer.append(UInt64(evaluations.count))
        for evaluation in evaluations {
            writer.append(evaluation.modelSHA256)
            writer.append(evaluation.dataSHA256)
            writer.append(evaluation.images)
            writer.append(evaluation.classes)
            writer.append(evaluation.done)
            writer.append(evaluation.correct)
            writer.append(evaluation.instructions)
            writer.append(evaluation.confusion)
        }
        return writer.bytes
    }

    /// Reads what `encoded` wrote, now or in an earlier layout; nil when the bytes are anything else.
    ///
    /// Layout 1 had no owners, one role, and nothing after the members.
    init?(_ bytes: [UInt8], layout: UInt32) {
        var reader = RecordReader(bytes)
        let hasOwners = layout >= 2
        self.init()
        nextVersion = reader.number()
        activeVersion = reader.number()
        for _ in 0..<reader.count(limit: 1_000) {
            models.append(
                StoredModel(
                    version: reader.number(), sha256: reader.bytes(32), size: reader.number(),
                    activatedAt: reader.number(), file: reader.region(), card: reader.region(),
                    cardBytes: reader.number(), owner: hasOwners ? reader.principal() : []))
        }
        for _ in 0..<reader.count(limit: 1_000) {
            uploads.append(
                Upload(
                    sha256: reader.bytes(32), size: reader.number(),
                    chunkBytes: UInt32(truncatingIfNeeded: reader.number()),
                    chunks: UInt32(truncatingIfNeeded: reader.number()), file: reader.region(),
                    ledger: reader.region(), owner: hasOwners ? reader.principal() : []))
        }
        for _ in 0..<reader.count(limit: 1_000) {
            let principal = reader.principal()
            let roles = layout >= 2 ? Roles(rawValue: UInt8(truncatingIfNeeded: reader.number())) : .uploader
            members.append(Member(principal: principal, roles: roles))
        }
        if layout >= 2 {
            settings.versionsKept = UInt32(truncatingIfNeeded: reader.number())
            settings.uploadQuotaBytes = reader.number()
            settings.readersOnly = reader.number() != 0
            settings.updatesPerMinute = UInt32(truncatingIfNeeded: reader.number())
            for _ in 0..<reader.count(limit: 1) {
                evaluations.append(
                    StoredEvaluation(
                        modelSHA256: reader.bytes(32), dataSHA256: reader.bytes(32), images: reader.number(),
                        classes: reader.number(), done: reader.number(), correct: reader.number(),
                        instructions: reader.number(), confusion: reader.region()))
            }
        }
        guard reader.isAtEnd else { return nil }
    }
}

private struct RecordWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ number: UInt64) {
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * shift))) }
    }

    mutating func append(_ more: [UInt8]) { bytes += more }

    mutating func append(sized more: [UInt8]) {
        append(UInt64(more.count))
        append(more)
    }

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

    mutating func principal() -> [UInt8] { bytes(count(limit: 29)) }

    mutating func region() -> Region { Region(page: number(), pages: number()) }
}
