import Emulator
import Foundation
import InternetComputer
import Testing

/// `/metrics` in Prometheus' text format.
@Suite struct MetricsTests {
    /// The samples of a page, after every line was checked against the format.
    static func samples(_ text: String) throws -> [String: Double] {
        var found: [String: Double] = [:]
        let line = try Regex(#"^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+$"#)
        let comment = try Regex(#"^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram))$"#)
        for part in text.split(separator: "\n") {
            if part.hasPrefix("#") {
                #expect(part.wholeMatch(of: comment) != nil, "\(part)")
                continue
            }
            #expect(part.wholeMatch(of: line) != nil, "\(part)")
            let at = part.lastIndex(of: " ") ?? part.startIndex
            #expect(found.updateValue(Double(part[at...].dropFirst()) ?? -1, forKey: String(part[..<at])) == nil, "\(part)")
        }
        return found
    }

    @Test func tellsWhatTheSubnetDid() async throws {
        let net = try SubnetHarness()
        let (a, b) = try await (net.create(TestModules.counter), net.create(TestModules.counter))
        func page() throws -> [String: Double] { try Self.samples(net.subnet.metrics().map(\.text).joined()) }
        let before = try page()
        for _ in 0..<3 { try await net.update(a, "inc") }
        for _ in 0..<5 { _ = try await net.query(b, "get") }
        _ = try? await net.update(a, "inc_and_trap")
        try await net.on(b, "stop_canister")
        let after = try page()
        func change(_ name: String) -> Double { (after[name] ?? 0) - (before[name] ?? 0) }
        #expect(after[#"deai_canisters{status="running"}"#] == 1.0)
        #expect(after[#"deai_canisters{status="stopped"}"#] == 1)
        #expect(after[#"deai_canister_memory_bytes{kind="heap"}"#] == 131_072)
        #expect(change(#"deai_messages_total{kind="request"}"#) == 4)
        #expect(change(#"deai_messages_total{kind="management"}"#) == 1)
        #expect(change(#"deai_rejected_calls_total{code="IC0502"}"#) == 1)
        #expect(change("deai_queries_total") == 5)
        #expect(change("deai_query_instructions_total") > 2_500)
        #expect(change("deai_instructions_total") > 3 * 500)
        #expect(change("deai_cycles_burned_total") > 4 * 5_000_000)
        #expect(change("deai_height") == 5)
        #expect((after["deai_resident_memory_bytes"] ?? 0) > 1e6)
        // Queries of a deleted canister stay counted.
        try await net.on(b, "delete_canister")
        let last = try page()
        #expect(last["deai_queries_total"] == after["deai_queries_total"])
        await net.subnet.shutdown()
    }

    private static func get(_ target: String, host: String, port: Int) async throws -> (head: String, body: String) {
        let answer = try await onThread {
            let client = try RawConnection(port: port)
            client.send(Array("GET \(target) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8))
            return String(decoding: try client.receiveToEnd(seconds: 20), as: UTF8.self)
        }
        let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
    }

    @Test(.timeLimit(.minutes(1))) func isServedOnLoopbackOnly() async throws {
        let endpoints = Wire.endpoints(FakeReplica(keys: try Wire.keys()))
        try await Wire.withServer(endpoints) { port in
            for _ in 0..<3 { _ = try await Self.get("/api/v2/status", host: "a", port: port) }
            _ = try await Self.get("/nothing", host: "a", port: port)
            let (head, body) = try await Self.get("/metrics", host: "127.0.0.1", port: port)
            #expect(head.hasPrefix("HTTP/1.1 200 "))
            #expect(head.lowercased().contains("content-type: text/plain; version=0.0.4"))
            let samples = try Self.samples(body)
            #expect(samples[#"deai_http_requests_total{endpoint="status",status="200"}"#] == 3)
            #expect(samples[#"deai_http_requests_total{endpoint="other",status="404"}"#] == 1)
            #expect(samples[#"deai_http_request_seconds_count{endpoint="status"}"#] == 3)
            #expect(samples[#"deai_http_request_seconds_bucket{endpoint="status",le="+Inf"}"#] == 3)
            // The page of a canister at the same path is the canister's.
            let site = try await Self.get("/metrics", host: "rwlgt-iiaaa-aaaaa-aaaaa-cai.localhost", port: port)
            #expect(!site.body.contains("deai_http"))
        }
        // Whoever listens on other addresses too does not tell everybody.
        try await Wire.withServer(endpoints, adjust: { $0.host = "0.0.0.0" }) { port in
            let (head, _) = try await Self.get("/metrics", host: "127.0.0.1", port: port)
            #expect(head.hasPrefix("HTTP/1.1 404 "))
        }
    }
}
