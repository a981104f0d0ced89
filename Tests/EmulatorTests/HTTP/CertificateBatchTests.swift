import Emulator
import InternetComputer
import Testing

/// Certificates made for many requests at once say for each what a certificate of its own would.
struct CertificateBatchTests {
    private let keys = ReplicaKeys(subnet: .random(), node: Ed25519Identity())

    private func body(_ content: RequestContent) -> [UInt8] { Envelope(content: content).encoded() }

    @Test func everyCallOfACrowdGetsItsOwnCertifiedReply() async throws {
        let replica = FakeReplica(keys: keys)
        let endpoints = Endpoints(replica: replica, keys: keys, clock: { replica.time })
        let answers = await withTaskGroup(of: (RequestContent, EndpointResponse).self) { group in
            for number in 0..<300 {
                group.addTask {
                    let argument = Array("number \(number)".utf8)
                    let content = RequestContent(
                        .call(canister: replica.canister, method: "echo", argument: argument), sender: .anonymous,
                        ingressExpiry: replica.time + 60_000_000_000, nonce: [UInt8(number & 255), UInt8(number >> 8)])
                    let path = "/api/v4/canister/\(replica.canister)/call"
                    return (
                        content,
                        await endpoints.respond(to: EndpointRequest(method: "POST", path: path, body: body(content)))
                    )
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count == 300)
        var checked = 0
        for (content, answer) in answers {
            guard case .call(_, _, let argument) = content.body else { continue }
            let certificate = try #require(
                try CBOR.decode(answer.body).withoutSelfDescribedTag["certificate"]?.bytesValue)
            let decoded = try Certificate(encoded: certificate)
            let status = [Array("request_status".utf8), content.requestID.bytes]
            #expect(decoded.tree.lookup(status + [Array("reply".utf8)]) == .found(argument))
            // The others' answers stay hidden.
            guard case .found(let level) = decoded.tree.subtree([Array("request_status".utf8)]) else {
                Issue.record("no request status")
                continue
            }
            #expect(level.children.map(\.label) == [content.requestID.bytes])
            // A pairing each would take minutes.
            guard checked < 20 else { continue }
            _ = try decoded.verified(rootKey: keys.rootKey, canister: nil, freshness: nil)
            checked += 1
        }
        #expect(checked == 20)
    }
}
