import Foundation

/// The file that keeps the user's key: PKCS#8 PEM, readable by its owner alone.
public struct IdentityFile: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    /// `$DEAI_IDENTITY`, or `~/.config/deai-train/identity.pem`.
    public static func standard(environment: [String: String]) -> IdentityFile {
        if let path = environment["DEAI_IDENTITY"], !path.isEmpty { return IdentityFile(path: path) }
        let home = environment["HOME"] ?? NSHomeDirectory()
        return IdentityFile(path: home + "/.config/deai-train/identity.pem")
    }

    /// The key in the file; a missing file is made with a new key first.
    ///
    /// - Returns: the key, and whether it is new.
    public func loadOrCreate() throws(IdentityError) -> (identity: Ed25519Identity, isNew: Bool) {
        if let identity = try load() { return (identity, false) }
        let identity = Ed25519Identity()
        do {
            try PrivateFile.create(path: path, contents: Array(identity.pem.utf8))
        } catch PrivateFileError.exists {
            // Another process was first; its key counts.
            guard let identity = try load() else { throw .unreadable(path: path, reason: "it vanished") }
            return (identity, false)
        } catch { throw .unreadable(path: path, reason: "\(error)") }
        return (identity, true)
    }

    /// The key in the file, or nil when there is no such file.
    public func load() throws(IdentityError) -> Ed25519Identity? {
        let contents: [UInt8]?
        do {
            contents = try PrivateFile.read(path: path)
        } catch PrivateFileError.tooOpen(let mode) {
            throw .tooOpen(path: path, mode: mode)
        } catch { throw .unreadable(path: path, reason: "\(error)") }
        guard let contents else { return nil }
        return try Ed25519Identity(pem: String(decoding: contents, as: UTF8.self), source: path)
    }
}

/// Why there is no usable key.
public enum IdentityError: Error, Equatable, Sendable, CustomStringConvertible {
    case badSeed(bytes: Int)
    case notPEM(source: String)
    case notEd25519(source: String)
    case tooOpen(path: String, mode: UInt32)
    case unreadable(path: String, reason: String)

    public var description: String {
        switch self {
        case .badSeed(let bytes): "an Ed25519 seed has 32 bytes, this one has \(bytes)"
        case .notPEM(let source): "\(source) is no PEM file with a private key"
        case .notEd25519(let source): "\(source) holds no Ed25519 private key in PKCS#8 form"
        case .tooOpen(let path, let mode):
            "\(path) may be read by others (mode \(String(mode, radix: 8))): run `chmod 600 \(path)`, "
                + "and if others may have seen the key, move the file away so that a new one is made"
        case .unreadable(let path, let reason): "the identity file \(path) cannot be used: \(reason)"
        }
    }
}
