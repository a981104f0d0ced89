import Foundation

/// The answer of an update call, proven by a certificate of the subnet.
public struct CertifiedReply: Sendable {
    public let bytes: [UInt8]
    public let requestID: RequestID
    /// The encoded certificate, a proof to keep.
    public let certificate: [UInt8]
    /// Time of the certified state, nanoseconds since 1970.
    public let time: UInt64
}

extension Agent {
    /// Calls an update method and waits for its certified answer.
    ///
    /// - Parameter effectiveCanister: where the request goes when that is not the callee: the canister a
    ///   management call is about.
    /// - Throws: `AgentError.rejected` when the subnet or the canister refuses.
    public func call(
        _ canister: Principal, _ method: String, _ argument: [UInt8], effectiveCanister: Principal? = nil
    ) async throws(AgentError) -> CertifiedReply {
        let target = effectiveCanister ?? canister
        var generator = SystemRandomNumberGenerator()
        let nonce = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let request = try envelope(
            .call(canister: canister, method: method, argument: argument), nonce: nonce)
        let response = try await submit(request, to: target)
        switch response.status {
        case 202:
            return try await poll(request, target)
        case 200:
            let answer: CBOR
            do { answer = try CBOR.decode(response.body).withoutSelfDescribedTag } catch {
                throw .badAnswer(error.description)
            }
            if let encoded = answer["certificate"]?.bytesValue {
                let state = try await verify(encoded, canister: target)
                if let reply = try reply(in: state, request.id, certificate: encoded) { return reply }
                return try await poll(request, target)
            }
            throw .rejected(try Self.rejection(answer, isCertified: false))
        default:
            throw Self.refusal(response)
        }
    }

    /// Submits on the newest path the replica has; 404 steps down to an older one.
    private func submit(_ request: SignedRequest, to target: Principal) async throws(AgentError) -> TransportResponse {
        while true {
            let version = state.withLock { $0.callPath }
            let response = try await attempt(
                TransportRequest(path: "/api/\(version.rawValue)/canister/\(target)/call", body: request.bytes))
            guard response.status == 404, version != .v2 else { return response }
            state.withLock { $0.callPath = version == .v4 ? .v3 : .v2 }
        }
    }

    /// Asks for the status of a request until it is final or too late.
    private func poll(_ request: SignedRequest, _ target: Principal) async throws(AgentError) -> CertifiedReply {
        let path = [Array("request_status".utf8), request.id.bytes]
        let start = configuration.clock()
        let limitSeconds = Int(configuration.timeToLiveSeconds)
        var delay = configuration.firstDelay
        while configuration.clock() < start + configuration.timeToLiveSeconds * 1_000_000_000 {
            let (state, certificate) = try await readStateWithProof([path], effectiveCanister: target)
            if let reply = try reply(in: state, request.id, certificate: certificate) { return reply }
            try await pause(delay)
            delay = min(delay * 3 / 2, .seconds(1))
        }
        throw .noAnswerInTime(request.id, seconds: limitSeconds)
    }

    /// The answer in a certified state, nil while there is none.
    private func reply(
        in state: CertifiedState, _ id: RequestID, certificate: [UInt8]
    ) throws(AgentError) -> CertifiedReply? {
        func value(_ name: String) -> [UInt8]? {
            let path = [Array("request_status".utf8), id.bytes, Array(name.utf8)]
            if case .found(let bytes) = state.lookup(path) { return bytes }
            return nil
        }
        guard let status = value("status") else { return nil }
        switch String(decoding: status, as: UTF8.self) {
        case "replied":
            guard let bytes = value("reply") else { throw .badAnswer("a certificate without its reply") }
            return CertifiedReply(bytes: bytes, requestID: id, certificate: certificate, time: state.time)
        case "rejected":
            guard let code = value("reject_code").flatMap(naturalFromLEB128) else {
                throw .badAnswer("a certificate without its reject code")
            }
            throw .rejected(
                Rejection(
                    code: code, message: String(decoding: value("reject_message") ?? [], as: UTF8.self),
                    errorCode: value("error_code").map { String(decoding: $0, as: UTF8.self) },
                    isCertified: true))
        case "done": throw .answerPruned(id)
        default: return nil
        }
    }

    typealias Rejection = AgentError.Rejection

    static func rejection(_ answer: CBOR, isCertified: Bool) throws(AgentError) -> Rejection {
        guard let code = answer["reject_code"]?.unsignedValue else {
            throw .badAnswer("it is neither a reply nor a rejection")
        }
        return Rejection(
            code: code, message: answer["reject_message"]?.textValue ?? "",
            errorCode: answer["error_code"]?.textValue, isCertified: isCertified)
    }
}
