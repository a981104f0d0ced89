import Emulator
import Foundation

/// Starts the emulator as a process of its own session and waits until it answers.
struct BackgroundEmulator {
    let directory: StateDirectory

    /// Gives the record of the running emulator, or throws what the child had to say.
    func start(arguments: [String]) async throws -> StateDirectory.Record {
        do {
            try FileManager.default.createDirectory(
                at: directory.url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw CommandFailure(.inputOutput, "\(directory.url.path) cannot be made") }
        if let record = directory.running {
            throw CommandFailure(
                .unavailable, "an emulator runs there already, at \(record.address) (process \(record.processID))")
        }
        let log = directory.url.appendingPathComponent("emulator.log").path
        let process = try spawn(["deai-train", "emulator", "start"] + arguments, log: log)
        for _ in 0..<600 {
            if let record = directory.running, record.processID == process { return record }
            var status: Int32 = 0
            if waitpid(process, &status, WNOHANG) == process {
                throw CommandFailure(Self.exitStatus(of: status), Self.lastLine(of: log))
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        kill(process, SIGTERM)
        throw CommandFailure(.unavailable, "the emulator did not answer within 30 seconds: see \(log)")
    }

    private func spawn(_ arguments: [String], log: String) throws -> pid_t {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        let newSession: Int16 = 0x80  // POSIX_SPAWN_SETSID of glibc: a closed terminal does not reach it.
        posix_spawnattr_setflags(&attributes, newSession)
        var process = pid_t()
        let words = arguments.map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        let failure = posix_spawn(&process, "/proc/self/exe", &files, &attributes, words, environ)
        guard failure == 0 else {
            throw CommandFailure(.failure, "the emulator cannot be started: \(String(cString: strerror(failure)))")
        }
        return process
    }

    private static func exitStatus(of status: Int32) -> ExitStatus {
        let code = status & 0x7f == 0 ? status >> 8 & 0xff : 1
        return ExitStatus(rawValue: code).flatMap { $0 == .success ? nil : $0 } ?? .failure
    }

    private static func lastLine(of log: String) -> String {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").last.map(String.init) ?? "the emulator ended: see \(log)"
        return line.hasPrefix("deai-train: ") ? String(line.dropFirst(12)) : line
    }
}
