import Digests
import IC0

/// A file being hashed, over as many messages as it takes. It lives on the heap: after an upgrade it begins anew.
struct Verification {
    let sha256: [UInt8]
    let file: Region
    let size: UInt64
    var done: UInt64 = 0
    var hasher = SHA256()
}

extension Classifier {
    /// Returns once the region is known to hold a file of this hash and this message has room to work on it.
    ///
    /// Throws `.inProgress` when the message has done its share: called again, it goes on from there.
    func verify(_ file: Region, size: UInt64, sha256: [UInt8]) throws(ClassifierError) {
        var state = Verification(sha256: sha256, file: file, size: size)
        if let index = verifications.firstIndex(where: { $0.sha256 == sha256 }) {
            let known = verifications.remove(at: index)
            if known.file == file, known.size == size { state = known }
        }
        while state.done < size {
            guard system.performanceCounter() < Limits.sliceInstructions else { throw pause(state) }
            let count = Int(min(UInt64(Limits.chunkBytes), size - state.done))
            state.hasher.update(system.stableRead(at: file.offset + state.done, count: count))
            state.done += UInt64(count)
        }
        // Reading and packing have a message of their own when hashing has used much of this one.
        guard system.performanceCounter() < Limits.sliceInstructions / 2 else { throw pause(state) }
        let found = state.hasher.finalize()
        guard found == sha256 else { throw .hashMismatch(expected: sha256, found: found) }
    }

    private func pause(_ state: Verification) -> ClassifierError {
        if verifications.count >= Limits.uploads { verifications.removeFirst() }
        verifications.append(state)
        return .inProgress(done: state.done, total: state.size)
    }

    /// Forgets what is known of a file whose bytes may change.
    func forgetVerification(of sha256: [UInt8]) {
        verifications.removeAll { $0.sha256 == sha256 }
    }
}
