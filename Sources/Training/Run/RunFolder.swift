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
    /// A run that is there already is refused, or with `force` removed: only the files that a run consists of. What a run
    /// left that was stopped before it began is removed, too. config.json comes last: with it the run has begun.
    /// - Parameter weights: what the run begins with, kept as its last and its best; nil lets the seed choose.
    public static func create(
        _ path: String, configuration: RunConfiguration, force: Bool, startingWith weights: Checkpoint? = nil,
        file: AtomicFile = AtomicFile()
    ) throws(RunError) -> RunFolder {
        let folder = RunFolder(path: path, file: file)
        if HostFile.exists(folder.configurationPath) {
            guard force else { throw .exists(folder: path) }
            let claim = try folder.claim()
            unlink(folder.configurationPath)
            folder.removeFiles()
            withExtendedLifetime(claim) {}
        } else if HostFile.exists(path), !HostFile.isDirectory(path) {
            throw .notAFolder(path: path)
        } else if let names = try? HostFile.names(in: path), !names.isEmpty {
            guard folder.isUnbegun else {
                throw .notARun(
                    folder: path, reason: "it holds other files; choose a new or empty folder for --run")
            }
            folder.removeFiles()
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
        if let weights {
            try folder.save(weights, as: .best)
            try folder.save(weights, as: .last)
        }
        try file.write([UInt8](json) + [0x0a], to: folder.configurationPath)
        return folder
    }

    /// Whether all that is here are files of a run that was stopped before its config.json was complete.
    private var isUnbegun: Bool {
        guard let names = try? HostFile.names(in: path), names.contains("checkpoints"),
            let saved = try? HostFile.names(in: path + "/checkpoints"),
            let events = try? names.contains("tensorboard") ? HostFile.names(in: path + "/tensorboard") : []
        else { return false }
        let known = ["checkpoints", "tensorboard", "log.jsonl"] + RunReport.files
        return names.allSatisfy { known.contains($0) || $0.hasPrefix("config.json.") && $0.hasSuffix(".tmp") }
            && saved.allSatisfy { $0.hasSuffix(".tmp") || $0 == "last.ckpt" || $0 == "best.ckpt" }
            && events.allSatisfy { $0.hasPrefix("events.out.tfevents.") }
    }

    /// Removes what a run consists of besides config.json.
    private func removeFiles() {
        var files = [logPath] + RunReport.files.map { path + "/" + $0 }
        for name in (try? HostFile.names(in: path + "/checkpoints")) ?? []
        where name.hasSuffix(".tmp") || name == "last.ckpt" || name == "best.ckpt" {
            files.append(path + "/checkpoints/" + name)
        }
        for name in (try? HostFile.names(in: path + "/tensorboard")) ?? []
        where name.hasPrefix("events.out.tfevents.") {
            files.append(path + "/tensorboard/" + name)
        }
        for name in (try? HostFile.names(in: path)) ?? [] where name.hasPrefix("config.json.") && name.hasSuffix(".tmp") {
            files.append(path + "/" + name)
        }
        for file in files { unlink(file) }
    }

    /// Opens the run in `path` and reads its configuration.
    public static func open(
        _ path: String, file: AtomicFile = AtomicFile()
    ) throws(RunError) -> (folder: RunFolder, configuration: RunConfiguration) {
        let folder = RunFolder(path: path, file: file)
        let config = folder.configurationPath
        guard HostFile.isDirectory(path) else {
            if HostFile.exists(path) { throw .notAFolder(path: path) }
            throw .unreadable(path: path, reason: "there is no such folder")
        }
        guard HostFile.exists(config) else {
            throw .notARun(
                folder: path,
                reason: folder.isUnbegun
                    ? "the run was stopped before it began; start it again without --resume" : "it has no config.json")
        }
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
        let configuration: RunConfiguration
        do {
            configuration = try JSONDecoder().decode(RunConfiguration.self, from: data)
            try configuration.hyperparameters.validate()
        } catch {
            let reason = (error as? DecodingError)?.sentence ?? "\(error)"
            throw .damaged(file: config, offset: 0, reason: "a setting is missing or cannot be used: " + reason)
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

    /// Where the run goes on: its last checkpoint; nil for a run that was stopped before its first.
    ///
    /// Throws when the run has saved already and the file is gone: going on would begin anew, over its best weights.
    public func resumption(of configuration: RunConfiguration) throws(RunError) -> Checkpoint? {
        if let last = try load(.last, for: configuration) { return last }
        let log = RunLog(self)
        // The best is saved first: between the two files of the first epoch there is a best one and no last one.
        let hasBegun = log.hasSaved || HostFile.exists(checkpointPath(.best)) && log.start == nil
        guard hasBegun || configuration.startingWeights != nil else { return nil }
        throw .unreadable(
            path: checkpointPath(.last),
            reason: "there is no such file, although the run has saved before; put it back, or start over with --force "
                + "and without --resume")
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
