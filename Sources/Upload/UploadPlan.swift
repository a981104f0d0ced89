import Crypto
import Foundation
import Inference

/// How one model file is cut into chunks, known before anything is sent.
public struct UploadPlan: Equatable, Sendable {
    public let path: String
    public let size: UInt64
    /// SHA-256 of the whole file, its name in the canister.
    public let sha256: [UInt8]
    public let chunkBytes: Int
    public let chunkHashes: [[UInt8]]

    /// A little under the canister's limit of 1 MiB, so that an envelope stays under 1 MiB too.
    public static let standardChunkBytes = (1 << 20) - 4096
    public static let maximumChunkBytes = 1 << 20

    /// Files up to this size are checked completely before they are sent; of larger ones all but the tensors, so
    /// that memory stays bounded. The canister verifies every file completely before it serves it.
    static let completelyCheckedBytes = 16 << 20

    /// Reads the file once, a chunk at a time; throws `.notAModel` before anything else happens.
    ///
    /// - Parameter isModel: false for a test set, which only the canister looks into.
    public init(
        path: String, chunkBytes: Int = standardChunkBytes, isModel: Bool = true
    ) throws(UploadError) {
        precondition((1...Self.maximumChunkBytes).contains(chunkBytes), "a chunk has 1 byte to 1 MiB")
        let file = try ChunkedFile(path: path)
        if isModel { try Self.checkIsModel(file) }
        var whole = SHA256()
        var hashes: [[UInt8]] = []
        var offset: UInt64 = 0
        while offset < file.size {
            let chunk = try file.read(at: offset, count: chunkBytes)
            guard !chunk.isEmpty else { throw .changed(path: path) }
            whole.update(data: chunk)
            hashes.append(Array(SHA256.hash(data: chunk)))
            offset += UInt64(chunk.count)
        }
        self.path = path
        self.chunkBytes = chunkBytes
        size = file.size
        sha256 = Array(whole.finalize())
        chunkHashes = hashes
    }

    private static func checkIsModel(_ file: ChunkedFile) throws(UploadError) {
        guard file.size > 0 else { throw .notAModel(path: file.path, reason: "it is empty") }
        let whole = file.size <= UInt64(completelyCheckedBytes) ? try file.read(at: 0, count: Int(file.size)) : nil
        do throws(ModelFileError) {
            if let whole { _ = try ModelFile.read(whole) } else { _ = try ModelOutline(FileStorage(file: file)) }
        } catch {
            throw .notAModel(path: file.path, reason: "\(error.message) (byte \(error.offset))")
        }
    }

    /// The bytes of one chunk, compared with what was planned.
    func chunk(_ index: UInt32, of file: ChunkedFile) throws(UploadError) -> [UInt8] {
        guard Int(index) < chunkHashes.count else { throw .badAnswer("it misses chunk \(index), which does not exist") }
        let bytes = try file.read(at: UInt64(index) * UInt64(chunkBytes), count: chunkBytes)
        guard Array(SHA256.hash(data: bytes)) == chunkHashes[Int(index)] else { throw .changed(path: path) }
        return bytes
    }

    func bytes(ofChunk index: UInt32) -> Int {
        let start = UInt64(index) * UInt64(chunkBytes)
        return start >= size ? 0 : Int(min(UInt64(chunkBytes), size - start))
    }
}

/// A file as the reader of models sees it. What cannot be read is zero: the pass over the chunks reports it.
private struct FileStorage: ModelStorage {
    let file: ChunkedFile

    var byteCount: UInt64 { file.size }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        guard let bytes = try? file.read(at: offset, count: buffer.count) else { return }
        buffer.copyBytes(from: bytes)
    }
}

/// A file read at offsets, from several tasks at once.
final class ChunkedFile: Sendable {
    let path: String
    let size: UInt64
    private let descriptor: Int32

    init(path: String) throws(UploadError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .unreadable(path: path, reason: "it is no regular file")
        }
        size = UInt64(information.st_size)
    }

    deinit { close(descriptor) }

    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    func read(at offset: UInt64, count: Int) throws(UploadError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, count - filled,
                    off_t(offset) + off_t(filled))
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { break }
                filled += got
            }
        }
        guard failure == 0 else { throw .unreadable(path: path, reason: String(cString: strerror(failure))) }
        return bytes
    }
}

/// Why a file did not get into the canister.
public enum UploadError: Error, Equatable, Sendable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case notAModel(path: String, reason: String)
    /// The file was written to while it was being sent.
    case changed(path: String)
    case unwritable(path: String)
    case badAnswer(String)
    case classifier(ClassifierError)
    case incomplete(missing: Int)

    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
        case .notAModel(let path, let reason): "\(path) is no .deai model: \(reason)"
        case .changed(let path): "\(path) changed while it was being uploaded: upload it again"
        case .unwritable(let path): "\(path) cannot be written"
        case .badAnswer(let what): "the canister's answer makes no sense: \(what)"
        case .classifier(let error): error.description
        case .incomplete(let missing):
            "the canister still misses \(missing) chunks after several rounds: run the same command again"
        }
    }
}
