import Foundation

/// The folder of one run: config.json, log.jsonl, and checkpoints/last.ckpt and best.ckpt.
public struct RunFolder: Sendable {
    public enum Slot: String, Sendable, Codable { case last, best }

    public let path: String
    private let file: AtomicFile

    private init(path: String, file: AtomicFile) {
        self.path = path
        self.file = file
    }

    /// Starts a new run in `path`, which is made when needed.
    ///
    /// A run that is there already is refused, or with `force` removed: only the files that a run consists of.
    public static func create(
        _ path: String, configuration: RunConfiguration, force: Bool, file: AtomicFile = AtomicFile()
    ) throws(RunError) -> RunFolder {
        let folder = RunFolder(path: path, file: file)
        if HostFile.exists(folder.configurationPath) {
            guard force else { throw .exists(folder: path) }
            _ = try folder.claim()
            let old = [folder.logPath, folder.checkpointPath(.last), folder.checkpointPath(.best)]
            let events = (try? HostFile.names(in: path + "/tensorboard")) ?? []
            for file in events where file.hasPrefix("events.out.tfevents.") {
                unlink(path + "/tensorboard/" + file)
            }
            for file in old + RunReport.files.map({ path + "/" + $0 }) { unlink(file) }
        } else if let names = try? HostFile.names(in: path), !names.isEmpty {
            throw .notARun(
                folder: path, reason: "it holds other files; choose a new or empty folder for --run")
        }
        do {
            try FileManager.default.createDirectory(
                atPath: path + "/checkpoints", withIntermediateDirectories: true)
        } catch {
            throw .notWritten(file: path, reason: "the folder cannot be made (\(HostFile.lastError()))")
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        guard let json = try? encoder.encode(configuration) else {
            throw .invalid("the configuration cannot be written as JSON")
        }
        try file.write([UInt8](json) + [0x0a], to: folder.configurationPath)
        return folder
    }

    /// Opens the run in `path` and reads its configuration.
    public static func open(
        _ path: String, file: AtomicFile = AtomicFile()
    ) throws(RunError) -> (folder: RunFolder, configuration: RunConfiguration) {
        let folder = RunFolder(path: path, file: file)
        let config = folder.configurationPath
        guard HostFile.isDirectory(path) else {
            throw .notARun(folder: path, reason: "there is no such folder")
        }
        guard HostFile.exists(config) else { throw .notARun(folder: path, reason: "it has no config.json") }
        let json: [UInt8]
        do {
            json = try HostFile.read(config, limit: 16 << 20)
        } catch {
            throw .notARun(folder: path, reason: "\(error)")
        }
        struct Format: Decodable { let format: Int }
        let data = Data(json)
        guard let format = try? JSONDecoder().decode(Format.self, from: data).format else {
            throw .damaged(file: config, offset: 0, reason: "it is not the JSON of a run")
        }
        guard format == RunConfiguration.currentFormat else {
            throw .version(file: config, found: format, supported: RunConfiguration.currentFormat)
        }
        guard let configuration = try? JSONDecoder().decode(RunConfiguration.self, from: data) else {
            throw .damaged(file: config, offset: 0, reason: "a setting is missing or has the wrong type")
        }
        return (folder, configuration)
    }

    public var configurationPath: String { path + "/config.json" }
    public var logPath: String { path + "/log.jsonl" }
    public func checkpointPath(_ slot: Slot) -> String { path + "/checkpoints/\(slot.rawValue).ckpt" }

    /// Writes a checkpoint; the one before stays intact until the new one is complete on the disk.
    public func save(_ checkpoint: Checkpoint, as slot: Slot) throws(RunError) {
        guard let bytes = try? checkpoint.encoded() else {
            throw .invalid("the checkpoint header cannot be written as JSON")
        }
        try file.write(bytes, to: checkpointPath(slot))
    }

    /// Reads a checkpoint and checks that it belongs to this run's network and data set; nil when there is none.
    public func load(_ slot: Slot, for configuration: RunConfiguration) throws(RunError) -> Checkpoint? {
        let path = checkpointPath(slot)
        guard HostFile.exists(path) else { return nil }
        let bytes: [UInt8]
        do {
            bytes = try HostFile.read(path)
        } catch {
            throw .damaged(file: path, offset: 0, reason: "\(error)")
        }
        let checkpoint = try Checkpoint(bytes, file: path)
        let header = checkpoint.header
        guard header.network == configuration.network.summary else {
            throw .mismatch(
                file: path, what: "network", found: header.network, expected: configuration.network.summary)
        }
        guard header.datasetHash == configuration.dataset.sha256 else {
            throw .mismatch(
                file: path, what: "data set", found: header.datasetHash,
                expected: configuration.dataset.sha256)
        }
        return checkpoint
    }

    /// Makes this process the one that trains in the folder, until the claim goes away.
    ///
    /// Throws `busy` while another process holds it. What a killed process left half-written is removed.
    public func claim() throws(RunError) -> RunClaim {
        let descriptor = Foundation.open(configurationPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .notARun(folder: path, reason: HostFile.lastError()) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw .busy(folder: path)
        }
        let folder = path + "/checkpoints"
        for name in (try? HostFile.names(in: folder)) ?? [] where name.hasSuffix(".tmp") {
            unlink(folder + "/" + name)
        }
        return RunClaim(descriptor: descriptor)
    }

    /// Whether a process trains in the folder at this moment.
    var isClaimed: Bool {
        let descriptor = Foundation.open(configurationPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }

    /// Appends one line of JSON to log.jsonl.
    public func log(_ line: String) throws(RunError) {
        let descriptor = Foundation.open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .notWritten(file: logPath, reason: HostFile.lastError()) }
        defer { close(descriptor) }
        let bytes = Array((line + "\n").utf8)
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard count == bytes.count else {
            throw .notWritten(file: logPath, reason: count < 0 ? HostFile.lastError() : "the disk is full")
        }
    }
}

/// A run folder that belongs to this process while the value lives.
public final class RunClaim: Sendable {
    private let descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }
}
