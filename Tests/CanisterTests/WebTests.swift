import Candid
import Canister
import Digests
import Foundation
import Inference
import Kernels
import Testing

/// An answer of `http_request`, checked as a gateway checks it (HTTP gateway protocol, "Response verification").
private struct Answer {
    let status: UInt16
    let headers: [(name: String, value: String)]
    /// The whole body, its pieces joined.
    let body: [UInt8]
    let pieces: Int

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

extension TestCanister {
    fileprivate func get(_ url: String, caller: [UInt8] = TestSystem.anonymous) throws -> Answer {
        let request: CandidValue = .record([
            "method": .text("GET"), "url": .text(Array(url.utf8)), "headers": .vector([]), "body": .blob([]),
            "certificate_version": .optional(.nat16(2)),
        ])
        let answer = try call(.httpRequest, request, caller: caller)
        guard case .nat16(let status)? = answer["status_code"] else { throw Fault.rejected }
        var body = try #require(answer["body"]?.asBytes)
        var pieces = 1
        if let callback = answer["streaming_strategy"]?.unwrapped?.payload(of: "Callback") {
            #expect(callback["callback"] == .function(system.canisterSelf(), Array("http_stream".utf8)))
            var token = callback["token"]
            while let next = token {
                let piece = try call(.httpStream, next, caller: caller)
                body += try #require(piece["body"]?.asBytes)
                token = piece["token"]?.unwrapped
                pieces += 1
            }
        }
        let headers = (answer["headers"]?.asVector ?? []).map { field -> (String, String) in
            guard case .record(let pair) = field, case .text(let name)? = pair[0],
                case .text(let value)? = pair[1]
            else { return ("", "") }
            return (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
        }
        return Answer(status: status, headers: headers, body: body, pieces: pieces)
    }

    /// The answer to a web request, once its proof has been checked as a gateway does.
    fileprivate func verified(_ url: String, caller: [UInt8] = TestSystem.anonymous) throws -> Answer {
        system.certificate = [1, 2, 3]
        let answer = try get(url, caller: caller)
        let parts = try #require(answer.header("IC-Certificate")).components(separatedBy: ", ")
        func part(_ name: String) throws -> [UInt8] {
            let text = try #require(parts.first { $0.hasPrefix("\(name)=:") && $0.hasSuffix(":") })
            return Array(try #require(Data(base64Encoded: String(text.dropFirst(name.count + 2).dropLast()))))
        }
        #expect(parts.last == "version=2")
        #expect(try part("certificate") == [1, 2, 3])
        let tree = try Witness(try part("tree"))
        #expect(tree.digest == system.certifiedData)

        // The place: tagged CBOR array of short texts.
        var rest = try part("expr_path")[...]
        #expect(rest.prefix(3) == [0xd9, 0xd9, 0xf7])
        let count = Int(rest[3] & 31)
        rest = rest.dropFirst(4)
        var place: [[UInt8]] = []
        for _ in 0..<count {
            let length = Int(rest.removeFirst() & 31)
            place.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        #expect(rest.isEmpty)
        let segment = Array(url.prefix { $0 != "?" }.dropFirst().utf8)
        let exact = [Array("http_expr".utf8), segment, Array("<$>".utf8)]
        if place != exact {
            // Only when the address has no place of its own.
            #expect(place == [Array("http_expr".utf8), Array("<*>".utf8)])
            #expect(!tree.labels().contains { $0.depth == 1 && $0.label == segment })
        }

        let expression = try #require(answer.header("IC-CertificateExpression"))
        let listed = try #require(expression.firstMatch(of: /headers:\["(.*)"\]/)).1.components(
            separatedBy: "\",\"")
        func field(_ name: String, _ value: [UInt8]) -> [UInt8] {
            SHA256.hash(Array(name.utf8)) + SHA256.hash(value)
        }
        let fields =
            answer.headers.filter {
                listed.contains($0.name.lowercased()) || $0.name == "IC-CertificateExpression"
            }.map { field($0.name.lowercased(), Array($0.value.utf8)) }
            + [
                field(
                    ":ic-cert-status",
                    answer.status < 128 ? [] : [UInt8(answer.status & 127) | 128, UInt8(answer.status >> 7)])
            ]
        // Nothing but the proof itself is left out.
        #expect(fields.count == answer.headers.count)
        let hash = SHA256.hash(
            SHA256.hash(fields.sorted { $0.lexicographicallyPrecedes($1) }.flatMap { $0 })
                + SHA256.hash(answer.body))
        #expect(tree.leaf(place + [SHA256.hash(Array(expression.utf8)), [], hash]) == [])
        return answer
    }
}

@Suite struct WebTests {
    private func canister() throws -> TestCanister {
        try TestCanister(assets: [
            WebAsset(path: "/", contentType: "text/html; charset=utf-8", isGzipped: true, body: [1, 2, 3]),
            WebAsset(path: "/page.js", contentType: "text/javascript", isGzipped: false, body: [4]),
        ])
    }

    @Test func filesOfThePageAreCertified() throws {
        let canister = try canister()
        for _ in 0..<2 {
            let page = try canister.verified("/")
            #expect(page.status == 200 && page.body == [1, 2, 3])
            #expect(page.header("content-encoding") == "gzip")
            #expect(page.header("content-type") == "text/html; charset=utf-8")
            let policy = try #require(page.header("content-security-policy"))
            #expect(policy.hasPrefix("default-src 'none';") && !policy.contains("http"))
            #expect(try canister.verified("/?canisterId=abc").body == [1, 2, 3])
            let script = try canister.verified("/page.js")
            #expect(script.body == [4] && script.header("content-encoding") == nil)
            try canister.upgrade()
        }
    }

    @Test(arguments: [
        "/page", "/page.jsx", "/page.js/", "/page.js/more", "/a/b", "/\u{1F600}", "//", "/model.deai",
    ])
    func otherAddressesAreCertifiedToBeEmpty(url: String) throws {
        #expect(try canister().verified(url).status == 404)
    }

    @Test func theActiveModelIsAtItsAddress() throws {
        let canister = try canister()
        let files = [try TestFile(seed: 1), try TestFile(seed: 2)]
        for file in files {
            try canister.activate(file)
            let answer = try canister.verified("/model.deai")
            #expect(answer.status == 200 && answer.body == file.bytes && answer.pieces == 1)
        }
        _ = try canister.call(.rollback, .nat64(1))
        #expect(try canister.verified("/model.deai").body == files[0].bytes)
        try canister.upgrade()
        #expect(try canister.verified("/model.deai").body == files[0].bytes)
    }

    @Test func onlyReadersGetTheModelWhenItIsTheirs() throws {
        let canister = try canister()
        try canister.activate(TestFile(seed: 1))
        _ = try canister.call(.configure, testSettings(readersOnly: true))
        #expect(try canister.verified("/model.deai").status == 403)
        #expect(try canister.verified("/").status == 200)
        #expect(try canister.verified("/model.deai", caller: TestSystem.controller).status == 200)
        let token: CandidValue = .record(["sha256": .blob(try TestFile(seed: 1).sha256), "offset": .nat64(0)])
        #expect(try canister.call(.httpStream, token, caller: TestSystem.anonymous)["body"] == .blob([]))
    }

    /// A file that is longer than an answer comes in pieces, whose whole is certified; also when another version has
    /// become the active one on the way.
    @Test func longModelsComeInPieces() throws {
        var random = SplitMix64(seed: 5)
        func weights(_ count: Int) -> [Int8] { (0..<count).map { _ in Int8(random.index(below: 255) - 127) } }
        let model = try QuantizedModel(
            name: Array("long".utf8),
            input: InputGeometry(height: 40, width: 50, channels: 1, zeroPoints: [73], scale: 0.01),
            layers: [
                .flatten,
                .dense(
                    QuantizedDense(
                        outputs: 1000, weights: weights(2_000_000), bias: [Int32](repeating: 1, count: 1000),
                        multipliers: [Float](repeating: 0.0001, count: 1000),
                        output: .activations(low: 0, high: 127))),
                .dense(
                    QuantizedDense(
                        outputs: 3, weights: weights(3000), bias: [5, -7, 100], multipliers: [0.1, 0.1, 0.1],
                        output: .logits)),
            ],
            labels: ["a", "b", "c"].map { Array($0.utf8) }, logitScale: 0.002, provenance: Array("{}".utf8))
        let file = TestFile(try ModelFile.write(model), chunkBytes: 1 << 20)
        #expect(file.bytes.count > Limits.answerBytes)
        let canister = try canister()
        try canister.activate(file)
        let answer = try canister.verified("/model.deai")
        #expect(answer.body == file.bytes && answer.pieces == 2)
        try canister.activate(TestFile(seed: 1))
        let token: CandidValue = .record(["sha256": .blob(file.sha256), "offset": .nat64(1_900_000)])
        #expect(
            try canister.call(.httpStream, token, caller: TestSystem.anonymous)["body"]
                == .blob(Array(file.bytes[1_900_000...])))
        for offset in [UInt64(file.bytes.count), .max] {
            let token: CandidValue = .record(["sha256": .blob(file.sha256), "offset": .nat64(offset)])
            #expect(try canister.call(.httpStream, token)["body"] == .blob([]))
        }
    }

    /// Outside of a query there is no certificate, and no proof.
    @Test func withoutACertificateThereIsNoProof() throws {
        let canister = try canister()
        canister.system.certificate = nil
        let answer = try canister.get("/")
        #expect(answer.status == 200 && answer.header("IC-Certificate") == nil)
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ])
    func base64(text: String, expected: String) {
        #expect(Base64.encode(Array(text.utf8)) == Array(expected.utf8))
    }
}
