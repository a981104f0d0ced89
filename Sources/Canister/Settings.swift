import Candid
import IC0

/// What controllers may choose.
struct Settings: Equatable, Sendable {
    /// Versions kept, the active one among them.
    var versionsKept: UInt32 = 4
    /// Bytes that one uploader may hold in uploads and versions; 0 without bound.
    var uploadQuotaBytes: UInt64 = 0
    /// Whether classification needs the role of a reader.
    var readersOnly = false
    /// Classifications by update call that one caller may make in a minute; 0 without bound.
    var updatesPerMinute: UInt32 = 0

    init() {}

    init(_ value: CandidValue) throws(ClassifierError) {
        guard let versions = value["versions_kept"]?.asUInt32, let quota = value["upload_quota_bytes"],
            let readersOnly = value["readers_only"]?.asBool, let rate = value["updates_per_minute"]
        else { throw .badRequest("not settings") }
        guard (1...Limits.versions).contains(versions) else {
            throw .tooLarge(limit: UInt64(Limits.versions), found: UInt64(versions))
        }
        versionsKept = versions
        uploadQuotaBytes = quota.unwrapped?.asUInt64 ?? 0
        self.readersOnly = readersOnly
        updatesPerMinute = rate.unwrapped?.asUInt32 ?? 0
    }

    var value: CandidValue {
        .record([
            "versions_kept": .nat32(versionsKept),
            "upload_quota_bytes": .optional(uploadQuotaBytes == 0 ? nil : .nat64(uploadQuotaBytes)),
            "readers_only": .bool(readersOnly),
            "updates_per_minute": .optional(updatesPerMinute == 0 ? nil : .nat32(updatesPerMinute)),
        ])
    }
}

extension Classifier {
    /// Takes new settings; versions beyond the number kept are dropped, oldest first, never the active one.
    func configure(_ value: CandidValue) throws(ClassifierError) -> CandidValue {
        var directory = store.directory
        directory.settings = try Settings(value)
        directory.dropOldVersions()
        store.commit(directory)
        return .null
    }

    /// What the caller holds already; a controller has no quota.
    func checkQuota(_ bytes: UInt64, _ owner: [UInt8]) throws(ClassifierError) {
        let quota = store.directory.settings.uploadQuotaBytes
        guard quota > 0, !system.isController(owner) else { return }
        var held = bytes
        for model in store.directory.models where model.owner == owner { held &+= model.size }
        for upload in store.directory.uploads where upload.owner == owner { held &+= upload.size }
        guard held <= quota else { throw .quotaExceeded(limit: quota, found: held) }
    }
}

extension Directory {
    mutating func dropOldVersions() {
        while models.count > Int(settings.versionsKept),
            let oldest = models.firstIndex(where: { $0.version != activeVersion })
        {
            models.remove(at: oldest)
        }
    }
}
