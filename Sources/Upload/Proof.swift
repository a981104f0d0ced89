import Candid
import Crypto
import InternetComputer

/// Why a proof of a classifier canister proves nothing.
public enum ProofError: Error, Equatable, Sendable, CustomStringConvertible {
    case certificate(CertificateError)
    case agent(AgentError)
    case classifier(ClassifierError)
    case unreadableWitness
    /// The certificate shows no certified data, or other data than the witness's root.
    case otherRoot
    /// The witness does not show a fact, or shows another one than the canister tells.
    case otherFact(String)

    public var description: String {
        switch self {
        case .certificate(let error): error.description
        case .agent(let error): error.description
        case .classifier(let error): error.description
        case .unreadableWitness: "the canister's witness cannot be read"
        case .otherRoot: "the subnet has certified other data than the canister shows"
        case .otherFact(let what): "the certified \(what) is not the one the canister tells"
        }
    }
}

/// Facts about a classifier canister that its subnet has certified.
public struct CertifiedFacts: Sendable {
    /// The part of the canister's hash tree that was shown.
    let witness: HashTree
    /// When the subnet certified it, nanoseconds since 1970.
    public let time: UInt64

    /// Checks certificate and witness.
    ///
    /// - Parameter freshness: nil for a proof that was kept.
    public init(
        certificate: [UInt8], witness: [UInt8], canister: Principal, rootKey: [UInt8],
        freshness: CertificateFreshness?
    ) throws(ProofError) {
        let state: CertifiedState
        do {
            state = try Certificate(encoded: certificate).verified(
                rootKey: rootKey, canister: canister, freshness: freshness)
        } catch { throw .certificate(error) }
        do {
            let cbor = try CBOR.decode(witness).withoutSelfDescribedTag
            self.witness = try HashTree(cbor: cbor)
        } catch { throw .unreadableWitness }
        guard self.witness.isWellFormed else { throw .unreadableWitness }
        let path = [Array("canister".utf8), canister.bytes, Array("certified_data".utf8)]
        guard case .found(let data) = state.lookup(path), data == self.witness.digest else {
            throw .otherRoot
        }
        time = state.time
    }

    /// Throws unless the tree has exactly this value at `group/label`.
    package func check(_ group: String, _ label: String, _ value: [UInt8], _ name: String) throws(ProofError)
    {
        guard witness.lookup([Array(group.utf8), Array(label.utf8)]) == .found(value) else {
            throw .otherFact(name)
        }
    }

    package static func natural(_ value: UInt64) -> [UInt8] {
        var output: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return output + [UInt8(rest)]
    }

    /// Hash, version and provenance of the active model.
    public func check(_ model: ModelInfo) throws(ProofError) {
        try check("model", "sha256", bytes(hexadecimal: model.sha256) ?? [], "model hash")
        try check("model", "version", Self.natural(model.version), "model version")
        let provenance = Array(SHA256.hash(data: Array(model.provenance.utf8)))
        try check("model", "provenance_sha256", provenance, "provenance")
    }

    /// Model, data and result of an evaluation.
    public func check(_ evaluation: OnchainEvaluation) throws(ProofError) {
        try check(
            "evaluation", "model_sha256", bytes(hexadecimal: evaluation.modelSHA256) ?? [], "model hash")
        try check("evaluation", "data_sha256", bytes(hexadecimal: evaluation.dataSHA256) ?? [], "data hash")
        try check("evaluation", "images", Self.natural(evaluation.images), "number of images")
        try check("evaluation", "correct", Self.natural(evaluation.correct), "number of right answers")
        let table = evaluation.confusion.flatMap { count in
            (0..<4).map { UInt8(truncatingIfNeeded: count >> UInt32(8 * $0)) }
        }
        try check("evaluation", "confusion", table, "confusion matrix")
    }
}

extension ClassifierClient {
    /// The active model, once the subnet's certificate has been checked.
    public func certifiedModel(now: UInt64) async throws(ProofError) -> (model: ModelInfo, time: UInt64) {
        let (answer, facts) = try await proof("certified_model", now: now)
        guard let value = answer["model"], let model = ModelInfo(value) else {
            throw .classifier(.notAClassifier(method: "certified_model"))
        }
        try facts.check(model)
        return (model, facts.time)
    }

    /// The finished evaluation, once the subnet's certificate has been checked.
    public func certifiedEvaluation(
        now: UInt64
    ) async throws(ProofError) -> (evaluation: OnchainEvaluation, time: UInt64) {
        let (answer, facts) = try await proof("certified_evaluation", now: now)
        guard let value = answer["evaluation"], let evaluation = OnchainEvaluation(value) else {
            throw .classifier(.notAClassifier(method: "certified_evaluation"))
        }
        try facts.check(evaluation)
        return (evaluation, facts.time)
    }

    private func proof(
        _ method: String, now: UInt64
    ) async throws(ProofError) -> (answer: CandidValue, facts: CertifiedFacts) {
        let key: [UInt8]
        do { key = try await agent.rootKey() } catch { throw .agent(error) }
        let answer: CandidValue
        do { answer = try ok(await query(method, [], []), method) } catch { throw .classifier(error) }
        guard let certificate = answer["certificate"]?.asBytes, let witness = answer["witness"]?.asBytes
        else {
            throw .classifier(.notAClassifier(method: method))
        }
        let facts = try CertifiedFacts(
            certificate: certificate, witness: witness, canister: canister, rootKey: key,
            freshness: CertificateFreshness(now: now))
        return (answer, facts)
    }
}
