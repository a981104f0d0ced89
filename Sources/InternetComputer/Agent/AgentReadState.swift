extension Agent {
    /// Reads certified state; the certificate is verified against the root key, its age and the canister.
    ///
    /// - Parameter paths: paths of labels; `/time` always comes along.
    public func readState(
        _ paths: [[[UInt8]]], effectiveCanister: Principal
    ) async throws(AgentError) -> CertifiedState {
        try await readStateWithProof(paths, effectiveCanister: effectiveCanister).state
    }

    /// The SHA-256 of the installed module as it was uploaded; nil when the canister is empty.
    public func moduleHash(of canister: Principal) async throws(AgentError) -> [UInt8]? {
        let path = [Array("canister".utf8), canister.bytes, Array("module_hash".utf8)]
        switch try await readState([path], effectiveCanister: canister).lookup(path) {
        case .found(let hash): return hash
        case .absent: return nil
        case .unknown, .notALeaf: throw .badAnswer("the certificate does not show the module hash")
        }
    }

    func readStateWithProof(
        _ paths: [[[UInt8]]], effectiveCanister: Principal
    ) async throws(AgentError) -> (state: CertifiedState, certificate: [UInt8]) {
        let request = try envelope(.readState(paths: paths))
        let response = try await post(request, to: effectiveCanister, "read_state", old: \.usesOldReadStatePath)
        guard response.status == 200 else { throw Self.refusal(response) }
        let answer: CBOR
        do { answer = try CBOR.decode(response.body).withoutSelfDescribedTag } catch {
            throw .badAnswer(error.description)
        }
        guard let certificate = answer["certificate"]?.bytesValue else {
            throw .badAnswer("read_state without a certificate")
        }
        return (try await verify(certificate, canister: effectiveCanister), certificate)
    }

    func verify(_ encoded: [UInt8], canister: Principal) async throws(AgentError) -> CertifiedState {
        let key = try await rootKey()
        do {
            return try Certificate(encoded: encoded).verified(
                rootKey: key, canister: canister, freshness: CertificateFreshness(now: configuration.clock()))
        } catch { throw .certificate(error) }
    }
}
