import Candid
import Emulator
import InternetComputer
import Testing

/// What the endpoints refuse, with which status and which words.
struct EndpointTests {
    private static let second: UInt64 = 1_000_000_000

    private func call(
        _ method: String = "echo", canister: Principal = .canister(0), argument: [UInt8] = [],
        expiry: UInt64 = Wire.now + 60 * second, by identity: Identity = .anonymous
    ) throws -> Envelope {
        try Envelope(
            signing: RequestContent(
                .call(canister: canister, method: method, argument: argument), sender: identity.principal,
                ingressExpiry: expiry),
            by: identity)
    }

    private func respond(
        _ path: String, _ body: [UInt8], method: String = "POST"
    ) async throws -> EndpointResponse {
        let replica = FakeReplica(keys: try Wire.keys())
        return await Wire.endpoints(replica).respond(to: EndpointRequest(method: method, path: path, body: body))
    }

    private static let path = "/api/v4/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/call"

    @Test(arguments: [
        ("GET", "/api/v2/status", 200), ("POST", "/api/v2/status", 405), ("GET", "/", 404),
        ("POST", "/api/v1/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/call", 404),
        ("POST", "/api/v4/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/query", 404),
        ("POST", "/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/nothing", 404),
        ("POST", "/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-caj/call", 400),
        ("GET", "/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/call", 405),
        ("POST", "/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/call", 400),
        ("POST", "/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/call/", 404),
    ])
    func paths(method: String, path: String, status: Int) async throws {
        #expect(try await respond(path, [0xff], method: method).status == status)
    }

    @Test(arguments: [
        (Int64(0), 200), (330, 200), (331, 400), (-1, 400), (-1_600_000_000, 400), (16_000_000_000, 400),
    ])
    func expiry(offsetSeconds: Int64, status: Int) async throws {
        let expiry = UInt64(Int64(Wire.now / Self.second) + offsetSeconds) &* Self.second
        let response = try await respond(Self.path, call(expiry: expiry).encoded())
        #expect(response.status == status)
        if status == 400 {
            let text = String(decoding: response.body, as: UTF8.self)
            #expect(text.hasPrefix(
                "Invalid request expiry: Specified ingress_expiry not within expected range: "))
            #expect(text.contains("Minimum allowed expiry: 2023-11-14 22:13:20.000000000 UTC"))
        }
    }

    @Test func queriesOfNobodyMayBeOld() async throws {
        let body = try Envelope(
            signing: RequestContent(
                .query(canister: .canister(0), method: "echo", argument: []), sender: .anonymous, ingressExpiry: 1),
            by: .anonymous
        ).encoded()
        #expect(try await respond("/api/v3/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/query", body).status == 200)
    }

    @Test func wrongSignaturesAreForbidden() async throws {
        let identity = Identity.ed25519(Ed25519Identity())
        var envelope = try call(by: identity)
        #expect(try await respond(Self.path, envelope.encoded()).status == 200)
        envelope.senderSignature?[3] ^= 1
        #expect(try await respond(Self.path, envelope.encoded()).status == 403)
        envelope.senderSignature = nil
        #expect(try await respond(Self.path, envelope.encoded()).status == 403)
        envelope.senderPublicKey = nil
        #expect(try await respond(Self.path, envelope.encoded()).status == 403)
    }

    @Test func theCanisterOfThePathCounts() async throws {
        let other = "/api/v4/canister/rrkah-fqaaa-aaaaa-aaaaq-cai/call"
        #expect(try await respond(other, call().encoded()).status == 400)
        let type = CandidType.record(["canister_id": .principal, "wasm_module": .blob])
        let argument = try Candid.encode(
            [
                .record([
                    "canister_id": .principal(Principal.canister(0).bytes),
                    "wasm_module": .blob([UInt8](repeating: 1, count: 1_900_000)),
                ])
            ], as: [type])
        let install = try call("install_code", canister: .managementCanister, argument: argument).encoded()
        #expect(try await respond(Self.path, install).status == 200)
        #expect(try await respond(other, install).status == 400)
        let vague = try call("install_code", canister: .managementCanister, argument: [1]).encoded()
        #expect(try await respond(Self.path, vague).status == 400)
        let create = try call(
            "provisional_create_canister_with_cycles", canister: .managementCanister, argument: [1]
        ).encoded()
        #expect(try await respond("/api/v4/canister/aaaaa-aa/call", create).status == 200)
    }

    @Test func bodiesAreBounded() async throws {
        let body = [UInt8](repeating: 0, count: (5 << 20) + 1)
        #expect(try await respond(Self.path, body).status == 413)
    }

    @Test func aRequestBelongsToItsPath() async throws {
        let body = try call().encoded()
        #expect(try await respond("/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/query", body).status == 400)
        #expect(try await respond("/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/read_state", body).status == 400)
    }

    @Test(arguments: [
        (["time"], 200), (["subnet"], 200), (["subnet", "x", "metrics"], 403), (["canister_ranges", "x"], 403),
        (["nothing"], 404), ([], 404), (["canister", "ID", "module_hash"], 200), (["canister", "ID"], 404),
        (["canister", "ID", "certified_data"], 404), (["canister", "OTHER", "module_hash"], 400),
        (["canister", "ID", "metadata", "public"], 200), (["canister", "ID", "metadata", "private"], 403),
        (["canister", "ID", "metadata"], 404), (["request_status", "short"], 400),
        (["canister", "ID", "controllers", "x"], 404),
    ])
    func readablePaths(path: [String], status: Int) async throws {
        let labels = path.map { label -> [UInt8] in
            switch label {
            case "ID": Principal.canister(0).bytes
            case "OTHER": Principal.canister(1).bytes
            default: Array(label.utf8)
            }
        }
        let body = try Envelope(
            signing: RequestContent(
                .readState(paths: [labels]), sender: .anonymous, ingressExpiry: Wire.now + Self.second),
            by: .anonymous
        ).encoded()
        let response = try await respond("/api/v3/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/read_state", body)
        #expect(response.status == status)
    }

    @Test func onlyTheSenderReadsItsRequest() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let endpoints = Wire.endpoints(replica)
        let mine = Identity.ed25519(try Ed25519Identity(seed: Array(0..<32)))
        let envelope = try call(by: mine)
        _ = await endpoints.respond(
            to: EndpointRequest(method: "POST", path: Self.path, body: envelope.encoded()))
        for (identity, status) in [(mine, 200), (.anonymous, 403)] {
            let body = try Envelope(
                signing: RequestContent(
                    .readState(paths: [[Array("request_status".utf8), envelope.content.requestID.bytes]]),
                    sender: identity.principal, ingressExpiry: Wire.now + Self.second),
                by: identity
            ).encoded()
            let response = await endpoints.respond(
                to: EndpointRequest(
                    method: "POST", path: "/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/read_state", body: body))
            #expect(response.status == status)
        }
    }

    /// The status of a request is read on the path of the canister that it was about.
    @Test(arguments: [
        ("rwlgt-iiaaa-aaaaa-aaaaa-cai", "canister", 200), ("rrkah-fqaaa-aaaaa-aaaaq-cai", "canister", 400),
    ])
    func statusesBelongToTheirCanister(effective: String, scope: String, status: Int) async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let endpoints = Wire.endpoints(replica)
        let envelope = try call()
        _ = await endpoints.respond(
            to: EndpointRequest(method: "POST", path: Self.path, body: envelope.encoded()))
        let body = try Envelope(
            signing: RequestContent(
                .readState(paths: [[Array("request_status".utf8), envelope.content.requestID.bytes, Array("reply".utf8)]]),
                sender: .anonymous, ingressExpiry: Wire.now + Self.second),
            by: .anonymous
        ).encoded()
        let response = await endpoints.respond(
            to: EndpointRequest(method: "POST", path: "/api/v3/\(scope)/\(effective)/read_state", body: body))
        #expect(response.status == status)
    }

    @Test func repeatedCallsAreExecutedOnce() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let endpoints = Wire.endpoints(replica)
        let request = EndpointRequest(method: "POST", path: Self.path, body: try call().encoded())
        let first = await endpoints.respond(to: request)
        let second = await endpoints.respond(to: request)
        #expect(first == second)
        #expect(replica.state.withLock { $0.executions } == 1)
    }

    /// Random damage to a signed call: answered, never accepted as something else.
    @Test func fuzz() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let endpoints = Wire.endpoints(replica)
        let body = try call(by: .ed25519(Ed25519Identity(seed: Array(0..<32)))).encoded()
        var state: UInt64 = 1
        var counts: [Int: Int] = [:]
        for _ in 0..<3000 {
            var damaged = body
            for _ in 0..<2 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                damaged[Int(state >> 33) % damaged.count] = UInt8(truncatingIfNeeded: state >> 20)
            }
            let status = await endpoints.respond(
                to: EndpointRequest(method: "POST", path: Self.path, body: damaged)
            ).status
            counts[status, default: 0] += 1
        }
        #expect(Set(counts.keys).isSubset(of: [200, 400, 403]))
        #expect((counts[400] ?? 0) > 100 && (counts[403] ?? 0) > 100)
        #expect(replica.state.withLock { $0.executions } <= 1)
    }

    @Test func aTakenPortIsNamed() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        try await Wire.withServer(Wire.endpoints(replica)) { port in
            var configuration = EmulatorServer.Configuration()
            configuration.port = port
            let second = EmulatorServer(endpoints: Wire.endpoints(replica), configuration: configuration)
            await #expect(throws: EmulatorStartError.portTaken(host: "127.0.0.1", port: port)) {
                try await second.run(stopsOnSignals: false) { _ in }
            }
        }
    }
}
