import Emulator
import InternetComputer
import Testing

/// Clients that send slowly, too much or nothing: each is told off or disconnected in time, and nobody waits for them.
@Suite struct SlowClientTests {
    /// A status request of another client, on its own connection.
    private static func isServing(_ port: Int) throws -> Bool {
        let other = try RawConnection(port: port)
        other.send(Array("GET /api/v2/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8))
        return try other.receiveToEnd(seconds: 20).starts(with: Array("HTTP/1.1 200".utf8))
    }

    /// Sends a byte at a time until the server hangs up; what it had to say.
    private static func drip(_ head: String, port: Int) throws -> String {
        let slow = try RawConnection(port: port)
        slow.send(Array(head.utf8))
        var heard: [UInt8] = []
        for count in 0..<40_000 {
            if count == 20 { #expect(try isServing(port)) }
            let isOpen = slow.send([0x61])
            guard let part = slow.poll() else { continue }
            heard += part
            if part.isEmpty || !isOpen { return String(decoding: heard, as: UTF8.self) }
        }
        throw Unexpected(text: "still connected after a byte at a time for long: \(String(decoding: heard, as: UTF8.self))")
    }

    static let drips: [(String, String)] = [
        ("POST /api/v2/canister/aaaaa-aa/query HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "HTTP/1.1 408 "),
        // A head that never ends is not answered.
        ("GET /api/v2/status HTTP/1.1\r\nHost: x\r\nX-Slow: ", ""), ("P", ""), ("", ""),
    ]

    @Test(.timeLimit(.minutes(2)), arguments: drips)
    func drippingClientsAreDisconnected(head: String, answer: String) async throws {
        let endpoints = Wire.endpoints(FakeReplica(keys: try Wire.keys()))
        try await Wire.withServer(endpoints, adjust: { $0.bodySeconds = 1; $0.idleSeconds = answer.isEmpty ? 2 : 30 }) { port in
            let heard = try await onThread { try Self.drip(head, port: port) }
            #expect(answer.isEmpty ? heard.isEmpty || heard.hasPrefix("HTTP/1.1 4") : heard.hasPrefix(answer), "\(heard)")
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["", "POST /api/v2/canister/aaaaa-aa/query HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab"])
    func silentClientsAreDisconnected(start: String) async throws {
        let endpoints = Wire.endpoints(FakeReplica(keys: try Wire.keys()))
        try await Wire.withServer(endpoints, adjust: { $0.bodySeconds = 1; $0.idleSeconds = 1 }) { port in
            let heard = try await onThread {
                let silent = try RawConnection(port: port)
                silent.send(Array(start.utf8))
                return try silent.receiveToEnd(seconds: 30)
            }
            #expect(heard.isEmpty || heard.starts(with: Array("HTTP/1.1 4".utf8)))
        }
    }

    /// The rest of a body over the limit is dropped, the refusal arrives, and the connection goes on.
    @Test(.timeLimit(.minutes(1)), arguments: [true, false])
    func largeBodiesAreRefused(hasLength: Bool) async throws {
        let endpoints = Wire.endpoints(FakeReplica(keys: try Wire.keys()))
        try await Wire.withServer(endpoints) { port in
            let heard = try await onThread {
                let client = try RawConnection(port: port)
                let size = 12 << 20
                let head = "POST /api/v2/canister/aaaaa-aa/query HTTP/1.1\r\nHost: x\r\n"
                if hasLength {
                    client.send(Array((head + "Content-Length: \(size)\r\n\r\n").utf8) + [UInt8](repeating: 0, count: size))
                } else {
                    client.send(Array((head + "Transfer-Encoding: chunked\r\n\r\n").utf8))
                    let part = Array("100000\r\n".utf8) + [UInt8](repeating: 0, count: 1 << 20) + [13, 10]
                    for _ in 0..<size >> 20 { client.send(part) }
                    client.send(Array("0\r\n\r\n".utf8))
                }
                client.send(Array("GET /api/v2/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8))
                return String(decoding: try client.receiveToEnd(seconds: 30), as: UTF8.self)
            }
            #expect(heard.hasPrefix("HTTP/1.1 413 "))
            #expect(heard.contains("HTTP/1.1 200 "))
        }
    }
}
