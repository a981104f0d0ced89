import InternetComputer

extension Endpoints {
    /// Submits a call; v3 and v4 wait for the certificate of the answer.
    func call(_ message: IngressMessage, version: EndpointPath.Version) async -> EndpointResponse {
        let submission = version == .v2 ? await replica.submit(message) : await replica.submitWaiting(message)
        switch submission {
        case .rejected(let rejection):
            var fields = Self.fields(of: rejection)
            if version != .v2 { fields.append(.init(.text("status"), .text("non_replicated_rejection"))) }
            return .cbor(.map(fields))
        case .accepted:
            if version == .v2 { return .text(202, "") }
        }
        let status = await replica.waitForStatus(message.requestID, timeoutNanoseconds: syncCallNanoseconds)
        guard status.isFinal || replica.acknowledge(message.requestID) else {
            return .text(503, "the emulator is shutting down")
        }
        guard status.isFinal else { return .text(202, "the call is still running: ask read_state for its status") }
        let path = [Array("request_status".utf8), message.requestID]
        let certificate = await certificates.certificate(revealing: [path], requests: [message.requestID])
        return .cbor(.record(["status": .text("replied"), "certificate": .bytes(certificate)]))
    }

    /// Answers a query with the signature of the node.
    func query(_ message: QueryMessage, _ requestID: RequestID) async -> EndpointResponse {
        let outcome = await replica.query(message)
        var fields: [CBOR.Entry]
        switch outcome.answer {
        case .replied(let bytes):
            fields = [
                .init(.text("status"), .text("replied")),
                .init(.text("reply"), .record(["arg": .bytes(bytes)])),
            ]
        case .rejected(let rejection):
            fields = [.init(.text("status"), .text("rejected"))] + Self.fields(of: rejection)
        }
        let signed = QueryAnswer.signedBytes(
            of: .map(fields), timestamp: outcome.timestamp, requestID: requestID)
        if let signature = try? keys.node.sign(signed) {
            let entry = CBOR.record([
                "timestamp": .unsigned(outcome.timestamp), "signature": .bytes(signature),
                "identity": .bytes(keys.nodeID.bytes),
            ])
            fields.append(.init(.text("signatures"), .array([entry])))
        }
        return .cbor(.map(fields))
    }

    private static func fields(of rejection: Rejection) -> [CBOR.Entry] {
        [
            .init(.text("reject_code"), .unsigned(UInt64(rejection.reject.rawValue))),
            .init(.text("reject_message"), .text(rejection.message)),
            .init(.text("error_code"), .text(rejection.error.text)),
        ]
    }
}
