import Crypto
import Foundation

/// Why the files of a stopped emulator cannot be removed, saved or restored.
public enum StateFileError: Error, Equatable, Sendable, CustomStringConvertible {
    case noState(directory: String)
    case noSnapshot(directory: String)
    case exists(String)
    case damaged(file: String)
    case file(String, reason: String)

    public var description: String {
        switch self {
        case .noState(let directory): "there is no emulator state in \(directory): name the folder with --state"
        case .noSnapshot(let directory):
            "\(directory) is no snapshot of an emulator: it has no readable \(StateDirectory.Manifest.name)"
        case .exists(let path): "\(path) exists already: choose another folder for the snapshot"
        case .damaged(let file):
            "the snapshot is damaged: \(file) is missing or not what was saved; the state was left as it was"
        case .file(let path, let reason): "\(path): \(reason)"
        }
    }
}

/// What is done to the whole folder while no emulator runs on it: each step takes the folder's lock.
extension StateDirectory {
    /// Files and folders that make up a state.
    static let stateItems = ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "images", "subnet.key", "node.pem"]
    /// What else an emulator writes here and can do without.
    static let otherItems = ["compiled", "emulator.json", "emulator.log", "restoring", "restored", "placing"]

    /// The list of a snapshot's files, so that a damaged one is never put in place.
    struct Manifest: Codable {
        struct File: Codable {
            var name: String
            var bytes: Int
            var sha256: String
        }
        static let name = "snapshot.json"
        var format = 1
        var files: [File]
    }

    private func item(_ name: String) -> URL { url.appendingPathComponent(name) }
    private func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: item(name).path) }

    /// Whether an emulator has kept anything here.
    public var hasState: Bool { has("state.sqlite") || has("subnet.key") }

    /// Removes everything an emulator wrote, and the folder when nothing else is in it.
    public func clean() throws {
        guard hasState else { throw StateFileError.noState(directory: url.path) }
        let lock = try acquire()
        defer { withExtendedLifetime(lock) {} }
        for name in Self.stateItems + Self.otherItems { try remove(item(name)) }
        try remove(item("emulator.lock"))
        if try contents(of: url).isEmpty { try remove(url) }
    }

    /// Copies the state into a new folder, which appears under its name once it is complete.
    public func save(to folder: URL) throws {
        guard hasState else { throw StateFileError.noState(directory: url.path) }
        guard !FileManager.default.fileExists(atPath: folder.path) else { throw StateFileError.exists(folder.path) }
        let lock = try acquire()
        defer { withExtendedLifetime(lock) {} }
        let partial = folder.deletingLastPathComponent()
            .appendingPathComponent(".\(folder.lastPathComponent).partial-\(getpid())")
        try remove(partial)
        do {
            var manifest = Manifest(files: [])
            for name in try files() {
                let (bytes, hash) = try copy(item(name), to: partial.appendingPathComponent(name))
                manifest.files.append(.init(name: name, bytes: bytes, sha256: hash))
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(manifest).write(to: partial.appendingPathComponent(Manifest.name))
            try move(partial, to: folder)
        } catch {
            try? remove(partial)
            throw error
        }
    }

    /// Puts a snapshot in the place of the state; whatever happens, the folder then holds the one or the other.
    public func restore(from folder: URL) throws {
        guard let data = try? Data(contentsOf: folder.appendingPathComponent(Manifest.name)),
            let manifest = try? JSONDecoder().decode(Manifest.self, from: data), manifest.format == 1
        else { throw StateFileError.noSnapshot(directory: folder.path) }
        let lock = try acquire()
        defer { withExtendedLifetime(lock) {} }
        let partial = item("restoring")
        try remove(partial)
        do {
            for file in manifest.files {
                // Names come from a file that anybody may have written.
                guard Self.isStateFile(file.name) else { throw StateFileError.noSnapshot(directory: folder.path) }
                let source = folder.appendingPathComponent(file.name)
                let found = try? copy(source, to: partial.appendingPathComponent(file.name))
                guard let found, found == (file.bytes, file.sha256) else {
                    throw StateFileError.damaged(file: source.path)
                }
            }
        } catch {
            try? remove(partial)
            throw error
        }
        try move(partial, to: item("restored"))
        try finishRestore()
    }

    /// Goes on with a restore that was interrupted after its copy was complete; at every start, under the lock.
    func finishRestore() throws {
        if has("restored") {
            for name in Self.stateItems + ["compiled"] { try remove(item(name)) }
            try move(item("restored"), to: item("placing"))
        }
        guard has("placing") else { return }
        for name in try contents(of: item("placing")) { try move(item("placing").appendingPathComponent(name), to: item(name)) }
        try remove(item("placing"))
    }

    // MARK: Files

    /// Names of the state's files, relative to the folder; SQLite makes the shared-memory file anew.
    private func files() throws -> [String] {
        var names: [String] = []
        for name in Self.stateItems where name != "state.sqlite-shm" && has(name) {
            if name == "images" { names += try contents(of: item(name)).map { "images/" + $0 } } else { names.append(name) }
        }
        return names.sorted()
    }

    static func isStateFile(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2 { return parts[0] == "images" && parts[1].hasSuffix(".image") && !parts[1].hasPrefix(".") }
        return parts.count == 1 && name != "images" && stateItems.contains(name)
    }

    private func contents(of folder: URL) throws -> [String] {
        do { return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() } catch {
            throw StateFileError.file(folder.path, reason: error.localizedDescription)
        }
    }

    private func remove(_ file: URL) throws {
        guard FileManager.default.fileExists(atPath: file.path) else { return }
        do { try FileManager.default.removeItem(at: file) } catch {
            throw StateFileError.file(file.path, reason: "cannot be removed: \(error.localizedDescription)")
        }
    }

    private func move(_ file: URL, to target: URL) throws {
        guard rename(file.path, target.path) == 0 else {
            throw StateFileError.file(target.path, reason: String(cString: strerror(errno)))
        }
    }

    /// Copies a file on to the disk, mode 0600, with its holes; gives size and SHA-256 of what was read.
    private func copy(_ file: URL, to target: URL) throws -> (bytes: Int, sha256: String) {
        func failure(_ path: String) -> StateFileError { .file(path, reason: String(cString: strerror(errno))) }
        try? FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let input = open(file.path, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw failure(file.path) }
        defer { close(input) }
        let output = open(target.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw failure(target.path) }
        defer { close(output) }
        var hash = SHA256()
        var total = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes { Foundation.read(input, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(file.path) }
            if count == 0 { break }
            let part = buffer[0..<count]
            hash.update(data: part)
            if part.contains(where: { $0 != 0 }) { try write(part, at: total, output, target) }
            total += count
        }
        guard ftruncate(output, off_t(total)) == 0, fsync(output) == 0 else { throw failure(target.path) }
        return (total, hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }

    private func write(_ part: ArraySlice<UInt8>, at offset: Int, _ output: Int32, _ target: URL) throws {
        var written = 0
        while written < part.count {
            let count = part.withUnsafeBytes {
                pwrite(output, $0.baseAddress.map { $0 + written }, $0.count - written, off_t(offset + written))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw StateFileError.file(target.path, reason: String(cString: strerror(errno))) }
            written += count
        }
    }
}
