import Foundation

/// Files with secrets: made with mode 0600 in one step and never read when others can read them.
public enum PrivateFile {
    /// The contents, or nil when there is no such file.
    public static func read(path: String) throws(PrivateFileError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .system(errno)
        }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw .system(errno) }
        guard information.st_mode & 0o077 == 0 else { throw .tooOpen(mode: information.st_mode & 0o777) }
        var contents: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 { throw .system(errno) }
            if count == 0 { return contents }
            contents.append(contentsOf: buffer[..<count])
            guard contents.count <= 1 << 20 else { throw .tooLarge }
        }
    }

    /// Writes a new file, whole or not at all, and the folders above it; throws `.exists` when one is there.
    public static func create(path: String, contents: [UInt8]) throws(PrivateFileError) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        do {
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw .folder(folder.path) }
        let temporary = path + ".\(getpid()).tmp"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(errno) }
        defer {
            close(descriptor)
            unlink(temporary)
        }
        guard contents.withUnsafeBytes({ write(descriptor, $0.baseAddress, $0.count) }) == contents.count,
            fsync(descriptor) == 0
        else { throw .system(errno) }
        // A link fails when the name is taken, so two processes cannot both believe in their own key.
        guard link(temporary, path) == 0 else {
            if errno == EEXIST { throw .exists }
            throw .system(errno)
        }
    }
}

/// Why a secret file was not read or written.
public enum PrivateFileError: Error, Equatable, Sendable, CustomStringConvertible {
    case exists
    case tooOpen(mode: UInt32)
    case tooLarge
    case folder(String)
    case system(Int32)

    public var description: String {
        switch self {
        case .exists: "the file exists already"
        case .tooOpen(let mode): "others may read it (mode \(String(mode, radix: 8)))"
        case .tooLarge: "the file is larger than 1 MiB"
        case .folder(let path): "the folder \(path) cannot be made"
        case .system(let code): String(cString: strerror(code))
        }
    }
}
