import Foundation

/// Reads whole files, with the operating system's reason when it refuses.
enum HostFile {
    /// The bytes of `path`, refused when there are more than `limit`.
    static func read(_ path: String, limit: Int = 4 << 30) throws(DatasetError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(file: path, reason: lastError()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(file: path, reason: lastError()) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(file: path, reason: "it is not a regular file")
        }
        guard status.st_size <= limit else {
            throw .corrupt(
                file: path, offset: nil, reason: "\(status.st_size) bytes are more than the limit of \(limit)"
            )
        }
        let size = Int(status.st_size)
        var failure: String?
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            while count < size {
                let got = Foundation.read(descriptor, base + count, size - count)
                if got == 0 { break }
                if got < 0 {
                    if errno == EINTR { continue }
                    failure = lastError()
                    break
                }
                count += got
            }
        }
        if let failure { throw .unreadable(file: path, reason: failure) }
        return bytes
    }

    /// The first `count` bytes of `path`, or all when there are fewer.
    static func prefix(_ path: String, count: Int) throws(DatasetError) -> [UInt8] {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw .unreadable(file: path, reason: lastError())
        }
        defer { try? handle.close() }
        guard let data = try? handle.read(upToCount: count) else { return [] }
        return [UInt8](data)
    }

    /// The text of errno.
    static func lastError() -> String { String(cString: strerror(errno)) }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The names in a folder without hidden ones, in byte order, so that results never depend on the file system.
    static func names(in folder: String) throws(DatasetError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder)
                .filter { !$0.hasPrefix(".") }
                .sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
        } catch {
            throw .unreadable(
                file: folder,
                reason: HostFile.exists(folder) ? "the folder cannot be listed" : "there is no such folder")
        }
    }
}
