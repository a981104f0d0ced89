import Digests
import IC0
import Inference

/// A file being hashed and checked, over as many messages as it takes. It lives on the heap: after an upgrade it
/// begins anew.
struct Verification<System: SystemAPI> {
    let sha256: [UInt8]
    let file: Region
    let size: UInt64
    /// Bytes hashed.
    var done: UInt64 = 0
    var hasher = SHA256()
    /// Whether all of them have the promised hash.
    var isVerified = false
    /// The check of a model that does not fit into memory, once that has begun.
    var check: ModelFileCheck<StableFile<System>>?
}

extension Classifier {
    /// Returns once the region is known to hold a file of this hash and this message has room to work on it.
    ///
    /// Throws `.inProgress` when the message has done its share: called again, it goes on from there.
    func verify(_ file: Region, size: UInt64, sha256: [UInt8]) throws(ClassifierError) {
        var state = takeVerification(file, size: size, sha256: sha256)
        try verify(&state)
        // What follows has a message of its own when hashing has used much of this one.
        guard system.performanceCounter() < Limits.sliceInstructions / 2 else { throw pause(state) }
    }

    /// The model in a region whose bytes have this hash and make a model; in as many messages as `verify`.
    func verifiedModel(
        _ file: Region, size: UInt64, sha256: [UInt8]
    ) throws(ClassifierError) -> (ModelOutline, LoadedModel<System>) {
        var state = takeVerification(file, size: size, sha256: sha256)
        try verify(&state)
        let storage = StableFile(system: system, region: file, byteCount: size)
        let outline = try outline(storage)
        guard !outline.isResident(size, budgets) else {
            // Reading and packing have a message of their own, too.
            guard system.performanceCounter() < Limits.sliceInstructions / 2 else { throw pause(state) }
            return (outline, .resident(try packed(storage)))
        }
        var check = state.check ?? ModelFileCheck(outline, storage)
        var isDone = false
        do throws(ModelFileError) {
            while !isDone, system.performanceCounter() < Limits.sliceInstructions { isDone = try check.advance() }
        } catch {
            throw ClassifierError(error)
        }
        guard isDone else {
            state.check = check
            throw pause(state)
        }
        return (outline, .stored(outline, storage))
    }

    /// The model in a region that was verified before.
    func loadModel(_ file: Region, size: UInt64) throws(ClassifierError) -> LoadedModel<System> {
        let storage = StableFile(system: system, region: file, byteCount: size)
        let outline = try outline(storage)
        return outline.isResident(size, budgets) ? .resident(try packed(storage)) : .stored(outline, storage)
    }

    /// Forgets what is known of a file whose bytes may change.
    func forgetVerification(of sha256: [UInt8]) {
        verifications.removeAll { $0.sha256 == sha256 }
    }

    /// What is known of a file, which is thereby forgotten, or a new state.
    private func takeVerification(_ file: Region, size: UInt64, sha256: [UInt8]) -> Verification<System> {
        if let index = verifications.firstIndex(where: { $0.sha256 == sha256 }) {
            let known = verifications.remove(at: index)
            if known.file == file, known.size == size { return known }
        }
        return Verification(sha256: sha256, file: file, size: size)
    }

    private func verify(_ state: inout Verification<System>) throws(ClassifierError) {
        guard !state.isVerified else { return }
        while state.done < state.size {
            guard system.performanceCounter() < Limits.sliceInstructions else { throw pause(state) }
            let count = Int(min(UInt64(Limits.chunkBytes), state.size - state.done))
            state.hasher.update(system.stableRead(at: state.file.offset + state.done, count: count))
            state.done += UInt64(count)
        }
        var hasher = state.hasher
        let found = hasher.finalize()
        guard found == state.sha256 else { throw .hashMismatch(expected: state.sha256, found: found) }
        state.isVerified = true
    }

    private func pause(_ state: Verification<System>) -> ClassifierError {
        if verifications.count >= Limits.uploads { verifications.removeFirst() }
        verifications.append(state)
        guard let check = state.check else { return .inProgress(done: state.done, total: state.size) }
        return .inProgress(done: state.size + check.done, total: 2 * state.size)
    }

    /// All of a model but its weights, once it is known that this canister can run it.
    private func outline(_ storage: StableFile<System>) throws(ClassifierError) -> ModelOutline {
        let outline: ModelOutline
        do throws(ModelFileError) { outline = try ModelOutline(storage) } catch { throw ClassifierError(error) }
        guard outline.codedWeights <= budgets.codedWeights else {
            throw .tooLarge(limit: budgets.codedWeights, found: outline.codedWeights)
        }
        guard outline.isResident(storage.byteCount, budgets) || outline.largestLoad <= budgets.layerWeights else {
            throw .tooLarge(limit: UInt64(budgets.layerWeights), found: UInt64(outline.largestLoad))
        }
        guard outline.dearestStep <= Limits.stepInstructions else {
            throw .badModel(bytes(of: "a layer needs more instructions than a message has"))
        }
        return outline
    }

    /// The whole model in memory; the network's hash of the region is not compared again.
    private func packed(_ storage: StableFile<System>) throws(ClassifierError) -> QuantizedModel {
        do throws(ModelFileError) {
            return try ModelFile.read(storage.system.stableRead(at: storage.region.offset, count: Int(storage.byteCount)))
        } catch {
            throw ClassifierError(error)
        }
    }
}

extension ModelOutline {
    /// Whether the model is packed in memory, where a picture costs least.
    func isResident(_ fileBytes: UInt64, _ budgets: Budgets) -> Bool {
        fileBytes <= budgets.residentBytes && weights <= budgets.residentBytes
            && packedInstructions <= budgets.queryInstructions
    }
}
