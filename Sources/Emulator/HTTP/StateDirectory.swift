import Foundation

/// The folder an emulator keeps everything in: one process at a time holds it.
public struct StateDirectory: Sendable {
    public let url: URL

    public init(path: String) { url = URL(fileURLWithPath: path, isDirectory: true) }

    /// What a running emulator tells other processes, in `emulator.json`.
    public struct Record: Codable, Equatable, Sendable {
        public var processID: Int32
        public var host: String
        public var port: Int
        /// DER, hexadecimal.
        public var rootKey: String
        /// Seconds since 1970.
        public var startedAt: Int

        public init(processID: Int32, host: String, port: Int, rootKey: String, startedAt: Int) {
            self.processID = processID
            self.host = host
            self.port = port
            self.rootKey = rootKey
            self.startedAt = startedAt
        }

        /// The URL for `--network`.
        public var address: String {
            "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        }
    }

    private var recordURL: URL { url.appendingPathComponent("emulator.json") }
    private var lockPath: String { url.appendingPathComponent("emulator.lock").path }

    /// Makes the folder with mode 0700 and takes it for this process.
    public func acquire() throws(EmulatorStartError) -> Lock {
        do {
            try FileManager.default.createDirectory(
                at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw .state("\(url.path) cannot be made") }
        let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .state("\(lockPath): \(String(cString: strerror(errno)))") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw .stateInUse(directory: url.path, process: readRecord()?.processID)
        }
        let lock = Lock(descriptor: descriptor)
        do { try finishRestore() } catch { throw .state("\(error)") }
        return lock
    }

    /// Held as long as the emulator runs; the kernel releases it when the process dies in whatever way.
    public final class Lock: Sendable {
        private let descriptor: Int32

        init(descriptor: Int32) { self.descriptor = descriptor }

        deinit { close(descriptor) }
    }

    /// Whether a process holds the folder now.
    public var isHeld: Bool {
        let descriptor = open(lockPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }

    /// The record of the emulator that runs here, nil when none does.
    public var running: Record? { isHeld ? readRecord() : nil }

    private func readRecord() -> Record? {
        (try? Data(contentsOf: recordURL)).flatMap { try? JSONDecoder().decode(Record.self, from: $0) }
    }

    public func write(_ record: Record) throws(EmulatorStartError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do { try encoder.encode(record).write(to: recordURL, options: .atomic) } catch {
            throw .state("\(recordURL.path) cannot be written: \(error.localizedDescription)")
        }
    }

    public func removeRecord() { try? FileManager.default.removeItem(at: recordURL) }
}
