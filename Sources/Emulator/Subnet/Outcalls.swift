import Candid
import Foundation
import IC0
import InternetComputer

/// A canister's `http_request`, for whoever carries it out. The emulator itself never opens a connection.
public struct HTTPOutcall: Sendable, Equatable {
    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }
    public struct Response: Sendable, Equatable {
        public var status: Int
        public var headers: [Header]
        public var body: [UInt8]
        public init(status: Int, headers: [Header] = [], body: [UInt8]) {
            self.status = status
            self.headers = headers
            self.body = body
        }
    }
    /// Why there is no response; the canister sees the text with reject code 1 (SYS_FATAL).
    public struct Failure: Error, Sendable, Equatable {
        public var text: String
        public init(_ text: String) { self.text = text }
    }
    public typealias Handler = @Sendable (HTTPOutcall) async throws(Failure) -> Response

    public var canister: Principal
    public var url: String
    /// `GET`, `HEAD`, `POST`, `PUT`, `DELETE` or `PATCH`.
    public var method: String
    public var headers: [Header]
    public var body: [UInt8]
    public var maximumResponseBytes: Int
    public var isReplicated: Bool
}

extension Subnet {
    /// Carries out an http_request beside the other messages. Its message stays in the store until the answer is
    /// committed, so a killed emulator asks again.
    func startOutcall(_ call: CallRequest, _ state: CanisterState, sequence: UInt64, time: UInt64) {
        lock.withLock { unfinished += 1 }
        Task(executorPreference: updates) { [self] in
            var step = Step(state: state, sequence: sequence, time: time, persists: false)
            var refund = call.cycles
            do throws(Rejection) {
                let reply = try await outcall(call, &refund)
                step.respond(to: call.origin, .success(reply), refund: refund)
            } catch {
                step.respond(to: call.origin, .failure(error), refund: refund)
            }
            if !lock.withLock({ closed }) { commit(step, management, .management(call)) }
            endUnit()
        }
    }

    private static let header: CandidType = .record(["name": .text, "value": .text])
    private static let response: CandidType = .record([
        "status": .nat, "headers": .vector(header), "body": .blob,
    ])
    private static let transformInput: CandidType = .record(["response": response, "context": .blob])
    private static let request: CandidType = .record([
        "url": .text, "max_response_bytes": .optional(.nat64),
        "method": .variant(["get": .null, "head": .null, "post": .null, "put": .null, "delete": .null, "patch": .null]),
        "headers": .vector(header), "body": .optional(.blob),
        "transform": .optional(
            .record([
                "function": .function(
                    CandidFunction(arguments: [transformInput], results: [response], annotation: .query)),
                "context": .blob,
            ])),
        "is_replicated": .optional(.bool),
    ])

    private func outcall(_ call: CallRequest, _ refund: inout UInt128) async throws(Rejection) -> [UInt8] {
        guard let handler = configuration.outcalls else {
            throw Rejection(
                reject: .systemFatal, error: .canisterRejectedMessage,
                message: "HTTP outcalls are switched off on this network.")
        }
        let value = try ManagementMethod.decode(call.argument, Self.request)
        let outcall = try Self.checked(value, call.sender)
        let size = outcall.url.utf8.count + outcall.body.count
            + outcall.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        let price = configuration.prices.outcall(
            requestBytes: UInt64(size), responseBytes: UInt64(outcall.maximumResponseBytes))
        guard call.cycles >= price else {
            throw Rejection(
                .canisterRejectedMessage,
                "http_request request sent with \(call.cycles) cycles, but \(price) cycles are required.")
        }
        refund = call.cycles - price
        let result: HTTPOutcall.Response
        do throws(HTTPOutcall.Failure) { result = try await handler(outcall) } catch {
            throw Rejection(reject: .systemFatal, error: .canisterRejectedMessage, message: error.text)
        }
        var answer: CandidValue = .record([
            "status": ManagementMethod.nat(UInt128(max(0, result.status))),
            "headers": .vector(
                result.headers.map { .record(["name": .text(Array($0.name.utf8)), "value": .text(Array($0.value.utf8))]) }),
            "body": .blob(result.body),
        ])
        if let transform = value["transform"]?.unwrapped {
            answer = try transformed(answer, transform, call.sender)
        }
        let reply = ManagementMethod.reply(answer, Self.response)
        guard reply.count <= outcall.maximumResponseBytes + 1024 else {
            throw Rejection(
                reject: .systemFatal, error: .canisterRejectedMessage,
                message: "Http body exceeds size limit of \(outcall.maximumResponseBytes) bytes.")
        }
        return reply
    }

    private static func checked(_ value: CandidValue, _ sender: Principal) throws(Rejection) -> HTTPOutcall {
        func refuse(_ text: String) -> Rejection { Rejection(.canisterRejectedMessage, "http_request: \(text)") }
        func text(_ value: CandidValue?) -> String { String(decoding: value?.asBytes ?? [], as: UTF8.self) }
        let url = text(value["url"])
        guard url.utf8.count <= 8192 else { throw refuse("the URL is longer than 8192 bytes") }
        guard url.hasPrefix("https://") else { throw refuse("the URL must start with https://") }
        let names: [(StaticString, String)] = [
            ("get", "GET"), ("head", "HEAD"), ("post", "POST"), ("put", "PUT"), ("delete", "DELETE"), ("patch", "PATCH"),
        ]
        let method = names.first { value["method"]?.payload(of: $0.0) != nil }?.1 ?? "GET"
        let isReplicated = value["is_replicated"]?.unwrapped?.asBool ?? true
        if isReplicated, ["PUT", "DELETE", "PATCH"].contains(method) {
            throw refuse("\(method) is allowed only when is_replicated is false")
        }
        var headers = (value["headers"]?.asVector ?? []).map {
            HTTPOutcall.Header(name: text($0["name"]), value: text($0["value"]))
        }
        guard headers.count <= 64, headers.allSatisfy({ $0.name.utf8.count <= 8192 && $0.value.utf8.count <= 8192 }),
            headers.reduce(0, { $0 + $1.name.utf8.count + $1.value.utf8.count }) <= 49_152
        else { throw refuse("at most 64 headers of 8 KiB, 48 KiB together") }
        if !headers.contains(where: { $0.name.lowercased() == "user-agent" }) {
            headers.append(HTTPOutcall.Header(name: "user-agent", value: "ic/1.0"))
        }
        let body = value["body"]?.unwrapped?.asBytes ?? []
        guard body.count <= 2_000_000 else { throw refuse("the request is larger than 2000000 bytes") }
        let limit = value["max_response_bytes"]?.unwrapped?.asUInt64 ?? 2_000_000
        guard limit <= 2_000_000 else { throw refuse("max_response_bytes is at most 2000000") }
        return HTTPOutcall(
            canister: sender, url: url, method: method, headers: headers, body: body, maximumResponseBytes: Int(limit),
            isReplicated: isReplicated)
    }

    /// Runs the calling canister's transform query on a response.
    private func transformed(
        _ response: CandidValue, _ transform: CandidValue, _ id: Principal
    ) throws(Rejection) -> CandidValue {
        guard case .function(let service, let name)? = transform["function"], service == id.bytes,
            let canister = lock.withLock({ table[id] })
        else {
            throw Rejection(.canisterRejectedMessage, "http_request: the transform function must be one of the caller's")
        }
        let method = String(decoding: name, as: UTF8.self)
        let argument = ManagementMethod.reply(
            .record(["response": response, "context": transform["context"] ?? .blob([])]), Self.transformInput)
        let limits = configuration.limits
        var message = MessageEnvironment(
            context: .transform, instructionLimit: limits.queryInstructions, sliceLimit: limits.queryInstructions,
            stablePageLimit: limits.stableQueryPages)
        message.replicated = false
        message.chargesDirtyPages = false
        message.mayRespond = true
        message.argument = argument
        var evaluation = QueryEvaluation(subnet: self, time: lock.withLock { newTime() })
        let result = evaluation.withLease(canister, id, request: nil) { evaluation, lease in
            guard lease.instance.module.prepared.methods[method] == .query else {
                return (
                    .failure(ExecutionFailure.methodNotFound(kind: "query", name: method).rejection(canister: id)) as Result<[UInt8], Rejection>, 0
                )
            }
            do throws(ExecutionFailure) {
                let execution = try evaluation.prepare(lease, message)
                try execution.run(.export("canister_query " + method))
                return (QueryEvaluation.result(nil, execution.response, id), 0)
            } catch {
                lease.instance.execution?.failure = error
                return (.failure(error.rejection(canister: id)), 0)
            }
        }
        return try ManagementMethod.decode(try result.get(), Self.response)
    }
}
