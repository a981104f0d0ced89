import Candid
import Digests
import IC0

extension Classifier {
    /// Sets certified data to the root over the active model, the finished evaluation and the page.
    ///
    /// Called by every message that changes one of them, and after an upgrade.
    func certify() {
        var parts: [CertifiedTree] = []
        if let evaluation = store.directory.evaluations.first, evaluation.done == evaluation.images {
            parts.append(.labeled(Self.evaluationLabel, tree(of: evaluation)))
        }
        let model = store.directory.model(version: store.directory.activeVersion)
        parts.append(.labeled(Self.webLabel, site.tree(modelSHA256: model?.sha256)))
        if let model { parts.append(.labeled(Self.modelLabel, tree(of: model))) }
        certified = .level(parts)
        system.setCertifiedData(certified.hash)
    }

    private static var modelLabel: [UInt8] { bytes(of: "model") }
    private static var evaluationLabel: [UInt8] { bytes(of: "evaluation") }

    private func tree(of model: StoredModel) -> CertifiedTree {
        .level([
            leaf("provenance_sha256", SHA256.hash(provenance(of: model))), leaf("sha256", model.sha256),
            leaf("version", CertifiedTree.natural(model.version)),
        ])
    }

    private func tree(of evaluation: StoredEvaluation) -> CertifiedTree {
        .level([
            leaf("confusion", confusionBytes(evaluation)), leaf("correct", CertifiedTree.natural(evaluation.correct)),
            leaf("data_sha256", evaluation.dataSHA256), leaf("images", CertifiedTree.natural(evaluation.images)),
            leaf("model_sha256", evaluation.modelSHA256),
        ])
    }

    private func leaf(_ label: StaticString, _ value: [UInt8]) -> CertifiedTree {
        .labeled(bytes(of: label), .leaf(value))
    }

    /// The active model with the proof of its hash.
    func certifiedModel() throws(ClassifierError) -> CandidValue {
        let model = info(try active().stored)
        return try proof("model", model, Self.modelLabel)
    }

    /// The finished evaluation with its proof.
    func certifiedEvaluation() throws(ClassifierError) -> CandidValue {
        guard let evaluation = store.directory.evaluations.first, evaluation.done == evaluation.images else {
            throw .badRequest("no evaluation is finished")
        }
        return try proof("evaluation", value(of: evaluation), Self.evaluationLabel)
    }

    private func proof(
        _ name: StaticString, _ value: CandidValue, _ label: [UInt8]
    ) throws(ClassifierError) -> CandidValue {
        guard let certificate = system.dataCertificate() else {
            throw .badRequest("only a query call carries a certificate")
        }
        let fields: [CandidRecord.Field] = [
            .init(id: Candid.hash(name), value: value),
            .init(id: Candid.hash("certificate"), value: .blob(certificate)),
            .init(id: Candid.hash("witness"), value: .blob(certified.revealing(label).encoded)),
        ]
        return .record(CandidRecord(fields))
    }
}
