import Emulator
import Foundation
import InternetComputer
import Testing

/// Seeded damage to everything that comes from outside: each input ends in an answer or a typed error, in bounded
/// time. (The scenario "damaged requests leave the memory as it was" looks at memory, in a process of its own.)
@Suite(.serialized) struct FuzzTests {
    static let envelopes: [Envelope] = {
        func make() throws -> [Envelope] {
            let owner = try Ed25519Identity(seed: Array(0..<32))
            let session = try Ed25519Identity(seed: Array(1..<33))
            let delegation = Delegation(
                publicKey: session.derPublicKey, expiration: Wire.now + 1_000_000_000, targets: [.canister(0)])
            let link = SignedDelegation(delegation: delegation, signature: try owner.sign(delegation.signedBytes))
            let identities: [Identity] = [
                .anonymous, .ed25519(owner),
                .delegated(DelegatedIdentity(publicKey: owner.derPublicKey, delegations: [link], session: session)),
            ]
            let bodies: [RequestContent.Body] = [
                .call(canister: .canister(0), method: "echo", argument: [1, 2, 3]),
                .query(canister: .canister(0), method: "echo", argument: [4, 5, 6]),
                .readState(paths: [[Array("time".utf8)], [Array("request_status".utf8), [UInt8](repeating: 7, count: 32)]]),
            ]
            return try identities.flatMap { identity in
                try bodies.map {
                    try Envelope(
                        signing: RequestContent(
                            $0, sender: identity.principal, ingressExpiry: Wire.now + 60_000_000_000, nonce: [9],
                            senderInfo: identity.delegations.isEmpty
                                ? nil : SenderInfo(info: [1], signer: .canister(1), signature: [2])), by: identity)
                }
            }
        }
        return (try? make()) ?? []
    }()

    static let paths = ["call", "query", "read_state"].flatMap { endpoint in
        ["v2", "v3", "v4"].map { "/api/\($0)/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/\(endpoint)" }
    }

    /// Requests whose parts were exchanged, dropped, repeated or nested, then encoded as valid CBOR again.
    @Test(.timeLimit(.minutes(1))) func requestsOfWrongShape() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let endpoints = Wire.endpoints(replica)
        var random = Damage(seed: 21)
        var statuses: [Int: Int] = [:]
        #expect(Self.envelopes.count == 9)
        for round in 0..<3_000 {
            var tree = try CBOR.decode(Self.envelopes[round % 9].encoded())
            for _ in 0...random.below(3) { tree = random.changed(tree, donor: try CBOR.decode(Self.envelopes[random.below(9)].encoded())) }
            let request = EndpointRequest(
                method: "POST", path: Self.paths[random.below(Self.paths.count)], body: tree.encoded())
            statuses[await endpoints.respond(to: request).status, default: 0] += 1
        }
        #expect(Set(statuses.keys).isSubset(of: [200, 202, 400, 403, 404]), "\(statuses)")
        #expect((statuses[400] ?? 0) > 300 && (statuses[403] ?? 0) > 30, "\(statuses)")
        #expect(replica.state.withLock { $0.senders.allSatisfy { $0.value == Self.envelopes[0].content.sender || Self.envelopes.map(\.content.sender).contains($0.value) } })
    }

    @Test(.timeLimit(.minutes(1))) func bodiesOfRandomBytes() async throws {
        let endpoints = Wire.endpoints(FakeReplica(keys: try Wire.keys()))
        var random = Damage(seed: 22)
        for _ in 0..<3_000 {
            let body = [[], [0xd9, 0xd9, 0xf7], [0xd9, 0xd9, 0xf7, 0xa1, 0x67] + Array("content".utf8)][random.below(3)]
                + random.bytes(random.below(300))
            let request = EndpointRequest(method: "POST", path: Self.paths[random.below(9)], body: body)
            #expect([400, 404].contains(await endpoints.respond(to: request).status))
        }
    }

    /// Byte streams that resemble HTTP: the server answers or hangs up, and serves the next one.
    @Test(.timeLimit(.minutes(2))) func streamsOfDamagedHTTP() async throws {
        let endpoints = Wire.endpoints(FakeReplica(keys: try Wire.keys()))
        let body = Self.envelopes[1].encoded()
        let head = "POST /api/v3/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/query HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            + "Content-Type: application/cbor\r\nContent-Length: \(body.count)\r\n\r\n"
        let chunked = "POST /api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/call HTTP/1.1\r\nHost: a\r\n"
            + "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"
        let seeds: [[UInt8]] = [
            Array(head.utf8) + body, Array(chunked.utf8),
            Array("GET /?canisterId=rwlgt-iiaaa-aaaaa-aaaaa-cai&x=%ff HTTP/1.1\r\nHost: x.localhost\r\nReferer: ?\r\n\r\n".utf8),
            Array("GET /metrics HTTP/1.0\r\n\r\nGET /api/v2/status HTTP/1.1\r\nHost: a\r\n\r\n".utf8),
        ]
        try await Wire.withServer(endpoints, adjust: { $0.idleSeconds = 2; $0.bodySeconds = 2 }) { port in
            try await onThread {
                var random = Damage(seed: 23)
                for round in 0..<400 {
                    let connection = try RawConnection(port: port)
                    connection.send(round % 5 == 4 ? random.bytes(random.below(2_000)) : random.damaged(seeds[round % 4]))
                    connection.endSending()
                    // The whole seeds ask for a kilobyte at most.
                    let answer = try connection.receiveToEnd(seconds: 20)
                    #expect(answer.count < 1 << 16)
                    #expect(answer.isEmpty || answer.starts(with: Array("HTTP/1.".utf8)), "round \(round)")
                }
                let last = try RawConnection(port: port)
                last.send(Array("GET /api/v2/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8))
                #expect(try last.receiveToEnd(seconds: 20).starts(with: Array("HTTP/1.1 200".utf8)))
            }
        }
    }

    /// Random bytes after the head of a module, and whole sections of random content in the right order.
    @Test(.timeLimit(.minutes(1))) func modulesOfRandomBytes() throws {
        let meter = try InstrumentationTests.meter()
        var random = Damage(seed: 24)
        var refused = 0
        for round in 0..<3_000 {
            var module: [UInt8] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
            if round % 2 == 0 { module += random.bytes(random.below(200)) } else {
                for id in UInt8(0)...12 where random.below(3) == 0 {
                    let count = random.below(30)
                    module += [id, UInt8(count)] + random.bytes(count, below: random.below(2) == 0 ? 4 : 256)
                }
            }
            do { _ = try meter.measure(module, export: "canister_update test") } catch is WasmError { refused += 1 }
        }
        #expect(refused > 2_900)
    }
}

/// Seeded damage.
struct Damage {
    private var random: InstrumentationTests.Seeded

    init(seed: UInt64) { random = .init(state: seed) }

    mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(max(1, bound))) }
    mutating func bytes(_ count: Int, below bound: Int = 256) -> [UInt8] { (0..<count).map { _ in UInt8(below(bound)) } }

    /// One to four changes: a byte, a part dropped, repeated, cut off, or something put in.
    mutating func damaged(_ whole: [UInt8]) -> [UInt8] {
        var bytes = whole
        for _ in 0...below(4) where !bytes.isEmpty {
            let at = below(bytes.count)
            let part = at..<min(bytes.count, at + 1 + below(20))
            switch below(6) {
            case 0: bytes[at] = UInt8(below(256))
            case 1: bytes.removeSubrange(part)
            case 2: bytes.insert(contentsOf: bytes[part], at: at)
            case 3: bytes.removeLast(bytes.count - at)
            case 4: bytes.insert(contentsOf: Array(["\r\n", "\r\n\r\n", "9999999999", "\u{0}", "Content-Length: 7\r\n", "%"][below(6)].utf8), at: at)
            default: bytes[at] ^= 1 << UInt8(below(8))
            }
        }
        return bytes
    }

    /// The item with one part of it exchanged, dropped, repeated or nested.
    mutating func changed(_ item: CBOR, donor: CBOR) -> CBOR {
        switch item {
        case .tagged(let tag, let inner): return below(20) == 0 ? .tagged(UInt64(below(300)), inner) : .tagged(tag, changed(inner, donor: donor))
        case .map(var entries) where !entries.isEmpty && below(5) > 0:
            let index = below(entries.count)
            switch below(6) {
            case 0: entries.remove(at: index)
            case 1: entries[index] = .init(.text("other"), entries[index].value)
            case 2: entries[index] = .init(entries[index].key, part(of: donor))
            default: entries[index] = .init(entries[index].key, changed(entries[index].value, donor: donor))
            }
            return .map(entries)
        case .array(var items) where !items.isEmpty && below(5) > 0:
            let index = below(items.count)
            switch below(5) {
            case 0: items.remove(at: index)
            case 1: items += [CBOR](repeating: items[index], count: below(50))
            default: items[index] = changed(items[index], donor: donor)
            }
            return .array(items)
        case .bytes(let bytes):
            switch below(3) {
            case 0: return .bytes(damaged(bytes))
            case 1: return .bytes(self.bytes(below(100)))
            default: return .text(String(decoding: bytes, as: UTF8.self))
            }
        case .unsigned(let value):
            return [.unsigned(value &+ 1), .negative(value), .unsigned(.max), .float(Double(value)), .tagged(2, .bytes([1])), .null][below(6)]
        default:
            return [.null, .bool(true), .array([]), .map([]), .text("x"), .array([item]), part(of: donor)][below(7)]
        }
    }

    private mutating func part(of item: CBOR) -> CBOR {
        switch item {
        case .tagged(_, let inner): part(of: inner)
        case .map(let entries) where !entries.isEmpty && below(3) > 0: part(of: entries[below(entries.count)].value)
        case .array(let items) where !items.isEmpty && below(3) > 0: part(of: items[below(items.count)])
        default: item
        }
    }
}
