import Foundation

/// The answer of a query: one node's word, signed by it but not certified by the subnet.
public struct UncertifiedReply: Sendable {
    public let bytes: [UInt8]
    /// The node whose signature was checked; nil when signatures are not verified.
    public let verifiedSigner: Principal?
    /// Nanoseconds since 1970, by the node's account.
    public let time: UInt64?
}

extension Agent {
    /// Asks a query method.
    ///
    /// - Throws: `AgentError.rejected`; `AgentError.querySignature` when no node of the subnet signed the answer.
    public func query(
        _ canister: Principal, _ method: String, _ argument: [UInt8], effectiveCanister: Principal? = nil
    ) async throws(AgentError) -> UncertifiedReply {
        let target = effectiveCanister ?? canister
        let request = try envelope(.query(canister: canister, method: method, argument: argument))
        let response = try await post(request, to: target, "query", old: \.usesOldQueryPath)
        guard response.status == 200 else { throw Self.refusal(response) }
        let answer: CBOR
        do { answer = try CBOR.decode(response.body).withoutSelfDescribedTag } catch {
            throw .badAnswer(error.description)
        }
        let signer = try await verifiedSigner(answer, request.id, target)
        switch answer["status"]?.textValue {
        case "replied":
            guard let bytes = answer["reply"]?["arg"]?.bytesValue else {
                throw .badAnswer("a reply without its bytes")
            }
            return UncertifiedReply(bytes: bytes, verifiedSigner: signer?.node, time: signer?.time)
        case "rejected": throw .rejected(try Self.rejection(answer, isCertified: false))
        default: throw .badAnswer("an unknown query status")
        }
    }

    /// Posts on the v3 path, or on the v2 path where v3 does not exist.
    func post(
        _ request: SignedRequest, to target: Principal, _ endpoint: String,
        old: WritableKeyPath<State, Bool> & Sendable
    ) async throws(AgentError) -> TransportResponse {
        if !state.withLock({ $0[keyPath: old] }) {
            let response = try await attempt(
                TransportRequest(path: "/api/v3/canister/\(target)/\(endpoint)", body: request.bytes))
            guard response.status == 404 else { return response }
            state.withLock { $0[keyPath: old] = true }
        }
        return try await attempt(
            TransportRequest(path: "/api/v2/canister/\(target)/\(endpoint)", body: request.bytes))
    }

    // MARK: Signatures of nodes

    /// An answer may be as old as a certificate.
    private static let maximumQueryAgeSeconds: UInt64 = 300

    private func verifiedSigner(
        _ answer: CBOR, _ id: RequestID, _ target: Principal
    ) async throws(AgentError) -> (node: Principal, time: UInt64)? {
        guard configuration.verifiesQuerySignatures else { return nil }
        guard let signature = answer["signatures"]?.arrayValue?.first,
            let bytes = signature["signature"]?.bytesValue, let time = signature["timestamp"]?.unsignedValue,
            let identity = signature["identity"]?.bytesValue, let node = try? Principal(bytes: identity)
        else { throw .querySignature("it is not signed by a node") }
        let now = configuration.clock()
        let age = (now > time ? now - time : time - now) / 1_000_000_000
        guard age <= Self.maximumQueryAgeSeconds else {
            throw .querySignature("node \(node) dates it \(age) seconds from now: is the clock right?")
        }
        guard let key = try await nodeKey(node, target) else {
            throw .querySignature("it is signed by \(node), which is no node of the subnet")
        }
        let signed = try QueryAnswer.signedBytes(answer, timestamp: time, requestID: id)
        do { try SignatureVerification.verify(bytes, of: signed, by: key) } catch {
            throw .querySignature("the signature of node \(node) is wrong")
        }
        return (node, time)
    }

    /// The DER key of a node of the canister's subnet, from the certified state; asked for once more when unknown.
    private func nodeKey(_ node: Principal, _ target: Principal) async throws(AgentError) -> [UInt8]? {
        if let key = state.withLock({ $0.nodeKeys[target]?[node] }) { return key }
        let state = try await readState([[Array("subnet".utf8)]], effectiveCanister: target)
        var keys: [Principal: [UInt8]] = [:]
        if case .found(let subnets) = state.tree.subtree([Array("subnet".utf8)]) {
            for subnet in subnets.children {
                guard case .found(let nodes) = subnet.subtree.subtree([Array("node".utf8)]) else { continue }
                for entry in nodes.children {
                    if case .found(let key) = entry.subtree.lookup([Array("public_key".utf8)]),
                        let id = try? Principal(bytes: entry.label)
                    {
                        keys[id] = key
                    }
                }
            }
        }
        let found = keys
        self.state.withLock { $0.nodeKeys[target] = found }
        return found[node]
    }
}

/// The part of a query's answer that a node signs.
public enum QueryAnswer {
    /// The separator "ic-response" and the hash of status, answer, time and request.
    static func signedBytes(
        _ answer: CBOR, timestamp: UInt64, requestID: RequestID
    ) throws(AgentError) -> [UInt8] {
        let names = ["status", "reply", "reject_code", "reject_message", "error_code"]
        var fields = names.compactMap { name in answer[name].map { CBOR.Entry(.text(name), $0) } }
        fields.append(.init(.text("timestamp"), .unsigned(timestamp)))
        fields.append(.init(.text("request_id"), .bytes(requestID.bytes)))
        if let reply = answer["reply"], reply.mapValue?.allSatisfy({ $0.value.bytesValue != nil }) != true {
            throw .badAnswer("a reply of the wrong shape")
        }
        guard answer["status"]?.textValue != nil, answer["reject_code"].map({ $0.unsignedValue != nil }) ?? true,
            answer["reject_message"].map({ $0.textValue != nil }) ?? true,
            answer["error_code"].map({ $0.textValue != nil }) ?? true
        else { throw .badAnswer("a field of the wrong kind") }
        return signedBytes(fields: fields)
    }

    /// For whoever makes answers: `answer` has status and reply, or status and the fields of the rejection.
    public static func signedBytes(
        of answer: CBOR, timestamp: UInt64, requestID: RequestID
    ) -> [UInt8] {
        var fields = answer.mapValue ?? []
        fields.append(.init(.text("timestamp"), .unsigned(timestamp)))
        fields.append(.init(.text("request_id"), .bytes(requestID.bytes)))
        return signedBytes(fields: fields)
    }

    private static func signedBytes(fields: [CBOR.Entry]) -> [UInt8] {
        HashTree.domain("ic-response") + RepresentationIndependentHash.hash(.map(fields))
    }
}
