import Candid
import Digests
import IC0
import Inference

extension Classifier {
    /// Verifies an uploaded file and serves it from now on; the model served before stays until all is well.
    ///
    /// The hash of a file that is already stored switches back to that version, so that a repeated call is
    /// harmless.
    func activate(_ sha256: [UInt8]) throws(ClassifierError) -> CandidValue {
        if let stored = store.directory.model(sha256: sha256) { return try serve(stored) }
        let upload = try upload(sha256)
        let missing = missing(upload)
        guard missing.isEmpty else { throw .missingChunks(missing) }
        let (outline, model) = try verifiedModel(upload.file, size: upload.size, sha256: sha256)

        let card = try card(of: outline)
        let pages = Region.pages(for: UInt64(card.count))
        guard let cardRegion = store.allocate(pages: pages) else { throw .outOfMemory }
        system.stableWrite(at: cardRegion.offset, card)

        var directory = store.directory
        let stored = StoredModel(
            version: directory.nextVersion, sha256: sha256, size: upload.size, activatedAt: system.time(),
            file: upload.file, card: cardRegion, cardBytes: UInt64(card.count), owner: upload.owner)
        directory.nextVersion += 1
        directory.activeVersion = stored.version
        directory.models.append(stored)
        directory.uploads.removeAll { $0.sha256 == sha256 }
        directory.dropOldVersions()
        serving = Serving(stored: stored, budgets, model: model)
        store.commit(directory)
        certify()
        return info(stored)
    }

    /// Serves an earlier (or later) stored version again.
    func rollback(_ version: UInt64) throws(ClassifierError) -> CandidValue {
        guard let stored = store.directory.model(version: version) else { throw .unknownVersion(version) }
        return try serve(stored)
    }

    /// The stored versions, oldest first.
    func models() -> CandidValue {
        .vector(store.directory.models.map { info($0) })
    }

    func modelInfo() throws(ClassifierError) -> CandidValue {
        info(try active().stored)
    }

    /// The model that answers, or why there is none.
    func active() throws(ClassifierError) -> Serving<System> {
        guard let serving else { throw servingFault }
        return serving
    }

    private func serve(_ stored: StoredModel) throws(ClassifierError) -> CandidValue {
        if let serving, serving.stored.version == stored.version { return info(serving.stored) }
        let (_, model) = try verifiedModel(stored.file, size: stored.size, sha256: stored.sha256)
        var directory = store.directory
        directory.activeVersion = stored.version
        var current = stored
        current.activatedAt = system.time()
        for index in directory.models.indices where directory.models[index].version == stored.version {
            directory.models[index] = current
        }
        serving = Serving(stored: current, budgets, model: model)
        store.commit(directory)
        certify()
        return info(current)
    }

    /// What the model says about itself, as Candid.
    private func card(of model: ModelOutline) throws(ClassifierError) -> [UInt8] {
        let card: CandidValue = .record([
            "name": .text(model.name),
            "input": .record([
                "height": .nat32(UInt32(model.input.height)), "width": .nat32(UInt32(model.input.width)),
                "channels": .nat32(UInt32(model.input.channels)),
            ]),
            "labels": .vector(model.labels.map { .text($0) }),
            "multiply_accumulates": .nat64(UInt64(model.multiplyAccumulates)),
            "provenance": .text(model.provenance),
        ])
        do throws(CandidError) {
            return try Candid.encode([card], as: [Interface.card])
        } catch {
            throw .badModel(bytes(of: error.text))
        }
    }

    /// What a model says about itself; nil when the card was damaged.
    private func card(of stored: StoredModel) -> CandidValue? {
        let bytes = system.stableRead(at: stored.card.offset, count: Int(stored.cardBytes))
        return (try? Candid.decode(bytes, as: [Interface.card]))?.first
    }

    func provenance(of stored: StoredModel) -> [UInt8] { card(of: stored)?["provenance"]?.asBytes ?? [] }

    /// `ModelInfo`: the card and what the directory knows. A card that was damaged reads as empty.
    func info(_ stored: StoredModel) -> CandidValue {
        let card = card(of: stored)
        let noGeometry: CandidValue = .record([
            "height": .nat32(0), "width": .nat32(0), "channels": .nat32(0),
        ])
        return .record([
            "version": .nat64(stored.version), "sha256": .blob(stored.sha256), "size": .nat64(stored.size),
            "name": card?["name"] ?? .text([]), "input": card?["input"] ?? noGeometry,
            "labels": card?["labels"] ?? .vector([]),
            "multiply_accumulates": card?["multiply_accumulates"] ?? .nat64(0),
            "provenance": card?["provenance"] ?? .text([]), "activated_at": .nat64(stored.activatedAt),
        ])
    }
}
