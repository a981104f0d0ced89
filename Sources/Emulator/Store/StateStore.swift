import Foundation
import GRDB
import InternetComputer

/// What one committed message changes in the store; written in one transaction.
struct StoreTransaction: Sendable {
    struct Redo: Sendable {
        var canister: [UInt8]
        var isStable: Bool
        var generation: UInt64
        var delta: MemoryDelta
    }
    var canisters: [CanisterState] = []
    var deletedCanisters: [Principal] = []
    var addedMessages: [(sequence: UInt64, canister: Principal, message: QueuedMessage)] = []
    var removedMessages: [UInt64] = []
    var requests: [(id: [UInt8], record: RequestRecord)] = []
    var prunedRequests: [[UInt8]] = []
    var modules: [(hash: [UInt8], bytes: [UInt8])] = []
    var chunks: [(canister: Principal, hash: [UInt8], bytes: [UInt8])] = []
    var clearedChunks: [Principal] = []
    var redo: [Redo] = []
    var nextCanister: UInt64?
}

/// An entry of the ingress history.
struct RequestRecord: Sendable, Equatable {
    var sender: Principal
    /// The canister that was called; nil for records written before this was kept.
    var canister: Principal?
    /// The canister that the call was about, where it was about one: the callee, or what a management call concerned.
    var effective: Principal?
    var status: RequestStatus
    /// Until when a repetition must be recognised.
    var expiry: UInt64
    /// When the answer was made; 0 while there is none.
    var finished: UInt64 = 0

    var encoded: [UInt8] {
        var w = ByteWriter()
        w.principal(sender)
        w.u64(expiry)
        w.u64(finished)
        switch status {
        case .unknown, .received: w.u8(0)
        case .processing: w.u8(1)
        case .replied(let bytes):
            w.u8(2)
            w.blob(bytes)
        case .rejected(let rejection):
            w.u8(3)
            w.u32(rejection.reject.rawValue)
            w.u32(rejection.error.rawValue)
            w.text(rejection.message)
        case .done: w.u8(4)
        }
        if let canister { w.principal(canister) }
        if canister != nil, let effective { w.principal(effective) }
        return w.bytes
    }

    init(sender: Principal, canister: Principal, effective: Principal?, status: RequestStatus, expiry: UInt64) {
        self.sender = sender
        self.canister = canister
        self.effective = effective
        self.status = status
        self.expiry = expiry
    }

    init(encoded: [UInt8]) throws(StateFormatError) {
        var r = ByteReader(encoded)
        sender = try r.principal()
        expiry = try r.u64()
        finished = try r.u64()
        switch try r.u8() {
        case 0: status = .received
        case 1: status = .processing
        case 2: status = .replied(try r.blob())
        case 3:
            guard let reject = RejectCode(rawValue: try r.u32()), let error = ErrorCode(rawValue: try r.u32()) else {
                throw StateFormatError(offset: r.offset)
            }
            status = .rejected(Rejection(reject: reject, error: error, message: try r.text()))
        default: status = .done
        }
        if r.offset < encoded.count { canister = try r.principal() }
        if r.offset < encoded.count { effective = try r.principal() }
    }
}

/// The state directory: an SQLite database in WAL mode, image files of memories, compiled modules.
///
/// The database holds everything but memory contents. A message's changed pages go into it as one redo row, in the
/// same transaction; they are then written to the image files, and replayed into them after a crash.
final class StateStore: @unchecked Sendable {
    let directory: URL
    private let database: DatabaseQueue
    /// Folds the write-ahead log into the database beside the messages, which do not wait for it.
    private let folder: DatabaseQueue
    private var redoBytes = 0
    private var unfoldedBytes = 0
    /// Redo rows are dropped, after a flush of the image files, once they hold this much.
    static let checkpointBytes = 128 << 20
    /// Changed pages in the write-ahead log from which on it is folded. It is four times as long at most: then the next
    /// message waits until that is done.
    private static let foldedBytes = 32 << 20

    var images: URL { directory.appendingPathComponent("images") }
    var compiled: URL { directory.appendingPathComponent("compiled") }
    var needsCheckpoint: Bool { redoBytes > Self.checkpointBytes }

    init(directory: URL) throws {
        self.directory = directory
        for folder in ["", "images", "compiled"] {
            try FileManager.default.createDirectory(
                at: directory.appendingPathComponent(folder), withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
        }
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA page_size = 16384")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = \(4 * Self.foldedBytes / 16384)")
        }
        let path = directory.appendingPathComponent("state.sqlite").path
        database = try DatabaseQueue(path: path, configuration: configuration)
        try database.write { db in
            try db.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS canister (id BLOB PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
                    CREATE TABLE IF NOT EXISTS message (sequence INTEGER PRIMARY KEY, canister BLOB NOT NULL, data BLOB NOT NULL);
                    CREATE TABLE IF NOT EXISTS request (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
                    CREATE TABLE IF NOT EXISTS module (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL);
                    CREATE TABLE IF NOT EXISTS chunk (canister BLOB, hash BLOB, bytes BLOB NOT NULL, PRIMARY KEY (canister, hash));
                    CREATE TABLE IF NOT EXISTS redo (sequence INTEGER PRIMARY KEY, data BLOB NOT NULL);
                    CREATE TABLE IF NOT EXISTS number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
                    """)
        }
        folder = try DatabaseQueue(path: path, configuration: configuration)
    }

    /// Everything at start-up; messages in order.
    struct Contents {
        var canisters: [CanisterState] = []
        var messages: [(sequence: UInt64, canister: Principal, message: QueuedMessage)] = []
        var requests: [([UInt8], RequestRecord)] = []
        var nextCanister: UInt64?
    }

    func load() throws -> Contents {
        try database.read { db in
            var contents = Contents()
            for row in try Row.fetchAll(db, sql: "SELECT state FROM canister") {
                contents.canisters.append(try CanisterState(encoded: Array(row[0] as Data)))
            }
            for row in try Row.fetchAll(db, sql: "SELECT sequence, canister, data FROM message ORDER BY sequence") {
                let sequence: Int64 = row[0]
                contents.messages.append(
                    (
                        UInt64(sequence), try Principal(bytes: Array(row[1] as Data)),
                        try QueuedMessage(encoded: Array(row[2] as Data))
                    ))
            }
            for row in try Row.fetchAll(db, sql: "SELECT id, data FROM request") {
                contents.requests.append((Array(row[0] as Data), try RequestRecord(encoded: Array(row[1] as Data))))
            }
            if let next = try Int64.fetchOne(db, sql: "SELECT value FROM number WHERE name = 'nextCanister'") {
                contents.nextCanister = UInt64(next)
            }
            return contents
        }
    }

    func apply(_ t: StoreTransaction) throws {
        try database.write { db in
            for state in t.canisters {
                try db.cachedStatement(sql: "INSERT OR REPLACE INTO canister VALUES (?, ?)")
                    .execute(arguments: [Data(state.id.bytes), Data(state.encoded)])
            }
            for id in t.deletedCanisters {
                try db.execute(sql: "DELETE FROM canister WHERE id = ?", arguments: [Data(id.bytes)])
                try db.execute(sql: "DELETE FROM message WHERE canister = ?", arguments: [Data(id.bytes)])
                try db.execute(sql: "DELETE FROM chunk WHERE canister = ?", arguments: [Data(id.bytes)])
            }
            for entry in t.addedMessages {
                try db.cachedStatement(sql: "INSERT OR REPLACE INTO message VALUES (?, ?, ?)")
                    .execute(arguments: [
                        Int64(entry.sequence), Data(entry.canister.bytes), Data(entry.message.encoded),
                    ])
            }
            for sequence in t.removedMessages {
                try db.cachedStatement(sql: "DELETE FROM message WHERE sequence = ?")
                    .execute(arguments: [Int64(sequence)])
            }
            for request in t.requests {
                try db.cachedStatement(sql: "INSERT OR REPLACE INTO request VALUES (?, ?)")
                    .execute(arguments: [Data(request.id), Data(request.record.encoded)])
            }
            for id in t.prunedRequests {
                try db.cachedStatement(sql: "DELETE FROM request WHERE id = ?").execute(arguments: [Data(id)])
            }
            for module in t.modules {
                try db.execute(
                    sql: "INSERT OR REPLACE INTO module VALUES (?, ?)",
                    arguments: [Data(module.hash), Data(module.bytes)])
            }
            for id in t.clearedChunks {
                try db.execute(sql: "DELETE FROM chunk WHERE canister = ?", arguments: [Data(id.bytes)])
            }
            for chunk in t.chunks {
                try db.execute(
                    sql: "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?)",
                    arguments: [Data(chunk.canister.bytes), Data(chunk.hash), Data(chunk.bytes)])
            }
            for redo in t.redo {
                try db.cachedStatement(sql: "INSERT INTO redo (data) VALUES (?)")
                    .execute(arguments: [Data(redo.encoded)])
            }
            if let next = t.nextCanister {
                try db.execute(
                    sql: "INSERT OR REPLACE INTO number VALUES ('nextCanister', ?)", arguments: [Int64(next)])
            }
        }
        let changed = t.redo.reduce(0) { $0 + $1.delta.pages * MemoryImage.pageBytes }
        redoBytes += changed
        unfoldedBytes += changed
        if unfoldedBytes > Self.foldedBytes {
            unfoldedBytes = 0
            // Where it fails, a later message does it.
            folder.asyncWriteWithoutTransaction { _ = try? $0.checkpoint(.passive) }
        }
    }

    func module(_ hash: [UInt8]) throws -> [UInt8]? {
        try database.read { db in
            try Data.fetchOne(db, sql: "SELECT bytes FROM module WHERE hash = ?", arguments: [Data(hash)]).map { Array($0) }
        }
    }

    func chunk(_ canister: Principal, _ hash: [UInt8]) throws -> [UInt8]? {
        try database.read { db in
            try Data.fetchOne(
                db, sql: "SELECT bytes FROM chunk WHERE canister = ? AND hash = ?",
                arguments: [Data(canister.bytes), Data(hash)]
            ).map { Array($0) }
        }
    }

    /// Removes modules that no canister uses.
    func dropUnusedModules(keeping hashes: [[UInt8]]) throws {
        let keep = Set(hashes.map { Data($0) })
        try database.write { db in
            for hash in try Data.fetchAll(db, sql: "SELECT hash FROM module") where !keep.contains(hash) {
                try db.execute(sql: "DELETE FROM module WHERE hash = ?", arguments: [hash])
            }
        }
    }

    // MARK: Memories

    func imagePath(_ canister: Principal, stable: Bool, generation: UInt64) -> String {
        let name = canister.text + (stable ? "-stable-" : "-heap-") + String(generation) + ".image"
        return images.appendingPathComponent(name).path
    }

    /// Calls `body` for each redo row in order.
    func replay(_ body: (StoreTransaction.Redo) throws -> Void) throws {
        try database.read { db in
            let rows = try Row.fetchCursor(db, sql: "SELECT data FROM redo ORDER BY sequence")
            while let row = try rows.next() { try body(StoreTransaction.Redo(encoded: Array(row[0] as Data))) }
        }
    }

    /// Drops the redo rows, after `flush` has brought every image to disk.
    func checkpoint(_ flush: () -> Void) throws {
        flush()
        try database.write { try $0.execute(sql: "DELETE FROM redo") }
        redoBytes = 0
    }

    func removeSnapshots(_ ids: [[UInt8]]) {
        for id in ids {
            for kind in SnapshotMemories.kinds { try? FileManager.default.removeItem(atPath: snapshotPath(id, kind)) }
        }
    }

    func removeImage(_ canister: Principal, stable: Bool, generation: UInt64) {
        try? FileManager.default.removeItem(atPath: imagePath(canister, stable: stable, generation: generation))
    }

    /// Deletes image files that belong to nothing.
    func removeImages(except paths: Set<String>) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: images.path)) ?? []
        for name in names {
            let path = images.appendingPathComponent(name).path
            if !paths.contains(path) { try? FileManager.default.removeItem(atPath: path) }
        }
    }

    func close() {
        try? folder.close()
        try? database.close()
    }
}

extension StoreTransaction.Redo {
    var encoded: [UInt8] {
        var w = ByteWriter()
        w.bytes.reserveCapacity(64 + delta.runs.reduce(0) { $0 + $1.bytes.count + 16 })
        w.blob(canister)
        w.bool(isStable)
        w.u64(generation)
        w.u64(UInt64(delta.size))
        w.list(delta.runs) {
            $0.u64(UInt64($1.offset))
            $0.blob($1.bytes)
        }
        return w.bytes
    }

    init(encoded: [UInt8]) throws(StateFormatError) {
        var r = ByteReader(encoded)
        canister = try r.blob()
        isStable = try r.bool()
        generation = try r.u64()
        delta = MemoryDelta(size: Int(truncatingIfNeeded: try r.u64()))
        delta.runs = try r.list { (r) throws(StateFormatError) in
            MemoryDelta.Run(offset: Int(truncatingIfNeeded: try r.u64()), bytes: try r.blob())
        }
    }
}
