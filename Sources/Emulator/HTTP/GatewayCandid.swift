import Candid
import InternetComputer

/// The Candid types of the HTTP gateway protocol.
enum GatewayCandid {
    /// The argument of `http_request`, or of `http_request_update` when there is no certificate version.
    static func argument(_ request: Gateway.Request, version: UInt16?) -> [UInt8] {
        let headers = CandidValue.vector(
            request.headers.map { .tuple([.text(Array($0.name.utf8)), .text(Array($0.value.utf8))]) })
        let method = CandidValue.text(Array(request.method.utf8))
        let url = CandidValue.text(Array(request.target.utf8))
        let body = CandidValue.blob(request.body)
        let header = CandidType.vector(.tuple([.text, .text]))
        let encoded: [UInt8]?
        if let version {
            encoded = try? Candid.encode(
                [
                    .record([
                        "method": method, "url": url, "headers": headers, "body": body,
                        "certificate_version": .optional(.nat16(version)),
                    ])
                ],
                as: [
                    .record([
                        "method": .text, "url": .text, "headers": header, "body": .blob,
                        "certificate_version": .optional(.nat16),
                    ])
                ])
        } else {
            encoded = try? Candid.encode(
                [.record(["method": method, "url": url, "headers": headers, "body": body])],
                as: [.record(["method": .text, "url": .text, "headers": header, "body": .blob])])
        }
        // The values are built for exactly these types.
        return encoded ?? []
    }

    /// What `http_request` answers.
    struct Answer {
        var status: Int
        var headers: [(name: String, value: String)]
        var body: [UInt8]
        var upgrade: Bool
        var stream: Stream?

        init(_ reply: [UInt8]) throws(Gateway.Failure) {
            guard let message = try? Message(reply), let status = message.value["status_code"],
                case .nat16(let code) = status, let body = message.value["body"]?.asBytes,
                let list = message.value["headers"]?.asVector
            else { throw .malformed }
            self.status = Int(code)
            self.body = body
            headers = []
            for header in list {
                guard case .record(let record) = header, let name = record[0]?.asText, let value = record[1]?.asText
                else { throw .malformed }
                headers.append((name, value))
            }
            upgrade = message.value["upgrade"]?.unwrapped?.asBool ?? false
            stream = nil
            guard let strategy = message.value["streaming_strategy"]?.unwrapped else { return }
            guard let callback = strategy.payload(of: "Callback"), case .function(let owner, let method)? = callback["callback"],
                let canister = try? Principal(bytes: owner), let token = callback["token"],
                let type = message.type(["streaming_strategy", nil, "Callback", "token"])
            else { throw .malformed }
            stream = Stream(
                canister: canister, method: String(decoding: method, as: UTF8.self), token: token, type: type,
                definitions: message.definitions)
        }
    }

    /// Where a streamed body goes on. The token goes back with the very type it came with.
    struct Stream: Sendable {
        var canister: Principal
        var method: String
        var token: CandidValue
        var type: CandidType
        var definitions: [CandidType]

        var argument: [UInt8] { (try? Candid.encode([token], as: [type], definitions: definitions)) ?? [] }

        /// The piece of the body in a callback's reply, and where the next one is.
        func following(_ reply: [UInt8]) throws(Gateway.Failure) -> (body: [UInt8], next: Stream?) {
            guard let message = try? Message(reply), let body = message.value["body"]?.asBytes else { throw .malformed }
            guard let token = message.value["token"]?.unwrapped else { return (body, nil) }
            guard let type = message.type(["token", nil]) else { throw .malformed }
            return (
                body,
                Stream(canister: canister, method: method, token: token, type: type, definitions: message.definitions)
            )
        }
    }

    /// The one argument of a message, with the type that came with it.
    private struct Message {
        let value: CandidValue
        let types: [CandidType]
        let definitions: [CandidType]

        init(_ bytes: [UInt8]) throws(CandidError) {
            let (types, definitions) = try Candid.types(of: bytes)
            value = try Candid.decode(bytes).first ?? .null
            self.types = types
            self.definitions = definitions
        }

        /// The type at a path of field and case names; nil stands for the content of an `opt`.
        func type(_ path: [StaticString?]) -> CandidType? {
            var type = types.first.map(resolved)
            for step in path {
                let fields: CandidFields
                switch type {
                case .optional(let content)? where step == nil:
                    type = resolved(content)
                    continue
                case .record(let record)?: fields = record
                case .variant(let variant)?: fields = variant
                default: return nil
                }
                guard let step else { return nil }
                let id = Candid.hash(step)
                type = fields.list.first { $0.id == id }.map { resolved($0.type) }
            }
            return type
        }

        private func resolved(_ type: CandidType) -> CandidType {
            guard case .definition(let index) = type, definitions.indices.contains(index) else { return type }
            return definitions[index]
        }
    }
}

extension CandidValue {
    fileprivate var asText: String? {
        guard case .text(let bytes) = self else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
