import Crypto
import Foundation
import InternetComputer

extension ClassifierClient {
    /// Writes a stored model file to `path`, a chunk in memory at a time; it appears there whole and verified, or
    /// not at all.
    ///
    /// - Parameter onProgress: bytes so far.
    public func download(
        _ model: ModelInfo, to path: String, onProgress: (UInt64) -> Void = { _ in }
    ) async throws(UploadError) {
        guard let sha256 = bytes(hexadecimal: model.sha256) else { throw .badAnswer("a hash that is none") }
        let partial = path + ".part"
        guard FileManager.default.createFile(atPath: partial, contents: nil),
            let file = FileHandle(forWritingAtPath: partial)
        else { throw .unwritable(path: partial) }
        var isWhole = false
        defer { if !isWhole { try? FileManager.default.removeItem(atPath: partial) } }
        var hash = SHA256()
        var offset: UInt64 = 0
        while offset < model.size {
            let chunk: [UInt8]
            do {
                chunk = try await download(sha256: sha256, offset: offset, length: 1 << 20)
            } catch { throw .classifier(error) }
            guard !chunk.isEmpty, UInt64(chunk.count) <= model.size - offset else {
                throw .badAnswer("a part of another length than the file has")
            }
            hash.update(data: chunk)
            do { try file.write(contentsOf: chunk) } catch { throw .unwritable(path: partial) }
            offset += UInt64(chunk.count)
            onProgress(offset)
        }
        let found = Array(hash.finalize())
        guard found == sha256 else {
            throw .badAnswer("the file has SHA-256 \(hexadecimal(found)), not \(model.sha256)")
        }
        do { try file.close() } catch { throw .unwritable(path: partial) }
        guard rename(partial, path) == 0 else { throw .unwritable(path: path) }
        isWhole = true
    }
}
