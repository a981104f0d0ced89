import Foundation

/// Writes files so that a reader, even after a crash, sees the old bytes or the new ones and nothing between.
public struct AtomicFile: Sendable {
    /// The system call that stores bytes; tests put a full disk in its place.
    public typealias WriteCall = @Sendable (Int32, UnsafeRawPointer, Int) -> Int

    private let writeCall: WriteCall

    public init(write: @escaping WriteCall = { Foundation.write($0, $1, $2) }) {
        writeCall = write
    }

    /// Writes to a temporary file in the same folder, brings it to the disk when `durable`, and renames it.
    ///
    /// On any failure the temporary file is removed and whatever was at `path` before is untouched. A symbolic link stays,
    /// and the file that it leads to is replaced. Pipes, devices and open descriptors (`/dev/stdout`) take the bytes as
    /// they are.
    public func write(_ bytes: [UInt8], to path: String, durable: Bool = true) throws(RunError) {
        let target = AtomicFile.target(of: path)
        var status = stat()
        if let number = AtomicFile.descriptor(target) {
            try pour(bytes, into: dup(number), path)
        } else if stat(target, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            try pour(bytes, into: open(target, O_WRONLY | O_CLOEXEC), path)
        } else {
            try replace(target, with: bytes, durable: durable)
        }
    }

    private func replace(_ path: String, with bytes: [UInt8], durable: Bool) throws(RunError) {
        let temporary = path + ".\(getpid()).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .notWritten(file: path, reason: HostFile.lastError()) }
        var failure = bytes.withUnsafeBytes { store($0, descriptor) }
        if failure == nil, durable, fsync(descriptor) != 0 { failure = HostFile.lastError() }
        if close(descriptor) != 0, failure == nil { failure = HostFile.lastError() }
        if failure == nil, rename(temporary, path) != 0 { failure = HostFile.lastError() }
        if let failure {
            unlink(temporary)
            throw .notWritten(file: path, reason: failure)
        }
        if durable { AtomicFile.syncFolder(of: path) }
    }

    /// Writes to what is no regular file, and closes it.
    private func pour(_ bytes: [UInt8], into descriptor: Int32, _ path: String) throws(RunError) {
        guard descriptor >= 0 else { throw .notWritten(file: path, reason: HostFile.lastError()) }
        var failure = bytes.withUnsafeBytes { store($0, descriptor) }
        if close(descriptor) != 0, failure == nil { failure = HostFile.lastError() }
        if let failure { throw .notWritten(file: path, reason: failure) }
    }

    /// What a chain of symbolic links leads to, whether it is there or not; an open descriptor of this process as such.
    private static func target(of path: String) -> String {
        var path = path
        for _ in 0..<40 where descriptor(path) == nil {
            guard let next = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { break }
            let folder = (path as NSString).deletingLastPathComponent
            path = next.hasPrefix("/") || folder.isEmpty ? next : folder + "/" + next
        }
        return path
    }

    /// The number in `/dev/fd/N` and `/proc/self/fd/N`.
    private static func descriptor(_ path: String) -> Int32? {
        for folder in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(folder) {
            return Int32(path.dropFirst(folder.count))
        }
        return nil
    }

    /// Writes with the system's own call.
    public static func write(_ bytes: [UInt8], to path: String, durable: Bool = true) throws(RunError) {
        try AtomicFile().write(bytes, to: path, durable: durable)
    }

    private func store(_ bytes: UnsafeRawBufferPointer, _ descriptor: Int32) -> String? {
        guard let base = bytes.baseAddress else { return nil }
        var done = 0
        while done < bytes.count {
            let count = writeCall(descriptor, base + done, bytes.count - done)
            if count < 0 {
                if errno == EINTR { continue }
                return HostFile.lastError()
            }
            if count == 0 { return "the system stored nothing" }
            done += count
        }
        return nil
    }

    /// The rename itself lives in the folder; without this a power cut may undo it.
    private static func syncFolder(of path: String) {
        let folder = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }
}
