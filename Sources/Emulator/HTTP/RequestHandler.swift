import HTTPTypes
import Hummingbird
import InternetComputer
import NIOCore

/// Takes requests off the wire and sends answers back: bodies bounded in bytes and time, headers, streams.
struct RequestHandler: Sendable {
    private enum Service: Sendable {
        case subnet(Endpoints, Gateway)
        case pocket(PocketServer)
    }

    private let service: Service
    private let bodySeconds: Int
    /// Only where the port is this machine's alone.
    private let servesMetrics: Bool

    init(content: EmulatorServer.Content, bodySeconds: Int, servesMetrics: Bool) {
        self.bodySeconds = bodySeconds
        self.servesMetrics = servesMetrics
        switch content {
        case .subnet(let endpoints):
            service = .subnet(endpoints, Gateway(replica: endpoints.replica, clock: endpoints.clock))
        case .pocket(let server): service = .pocket(server)
        }
    }

    func respond(to request: Request) async -> Response {
        let body: [UInt8]
        do { body = try await collect(request.body) } catch let refused as RefusedBody {
            return response(refused.refusal.response, closing: !refused.isComplete)
        } catch {
            return response(.text(400, "the body is incomplete"), closing: true)
        }
        let path = request.uri.path
        switch service {
        case .pocket(let server):
            return response(await server.respond(method: request.method.rawValue, path: path, body: body))
        case .subnet(let endpoints, let gateway):
            if request.method == .options, path.hasPrefix("/api/") {
                return response(.init(status: 204, headers: Gateway.crossOrigin, body: []), bodiless: true)
            }
            if !path.hasPrefix("/api/"),
                let canister = Gateway.canister(
                    host: request.head.authority, query: request.uri.query, referer: request.headers[.referer])
            {
                return response(
                    await gateway.respond(to: webRequest(request, canister, body)), bodiless: request.method == .head)
            }
            if path == "/metrics", servesMetrics, request.method == .get { return response(endpoints.metrics) }
            return response(
                await endpoints.respond(
                    to: EndpointRequest(method: request.method.rawValue, path: path, body: body)))
        }
    }

    private var maximumBodyBytes: Int {
        switch service {
        case .subnet: Endpoints.maximumBodyBytes
        // Modules and stable memories travel in base64.
        case .pocket: 256 << 20
        }
    }

    /// A body that is not taken; what is left of an incomplete one is not waited for.
    private struct RefusedBody: Error {
        let refusal: EndpointRefusal
        let isComplete: Bool
    }

    /// The whole body. A client that stops is disconnected when it has idled; one that drips is refused here.
    /// The rest of a body that is too large is read and dropped, so that the client is there to hear so.
    private func collect(_ body: RequestBody) async throws -> [UInt8] {
        let deadline = ContinuousClock.now + .seconds(bodySeconds)
        let limit = maximumBodyBytes
        let tooLarge = EndpointRefusal(413, "a body has at most \(limit >> 20) MiB")
        var bytes: [UInt8] = []
        var count = 0
        for try await part in body {
            count += part.readableBytes
            if count <= limit { bytes.append(contentsOf: part.readableBytesView) } else { bytes = [] }
            guard count <= 16 * limit else { throw RefusedBody(refusal: tooLarge, isComplete: false) }
            guard ContinuousClock.now < deadline else {
                let slow = EndpointRefusal(408, "the body came too slowly")
                throw RefusedBody(refusal: count > limit ? tooLarge : slow, isComplete: false)
            }
        }
        guard count <= limit else { throw RefusedBody(refusal: tooLarge, isComplete: true) }
        return bytes
    }

    private func webRequest(_ request: Request, _ canister: Principal, _ body: [UInt8]) -> Gateway.Request {
        var headers = request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
        if let host = request.head.authority { headers.append((name: "host", value: host)) }
        let query = request.uri.query.map { "?" + $0 } ?? ""
        return Gateway.Request(
            canister: canister, method: request.method.rawValue, target: request.uri.path + query, headers: headers,
            body: body)
    }

    private func response(_ answer: EndpointResponse, closing: Bool = false) -> Response {
        var headers: HTTPFields = [
            .contentType: answer.contentType.rawValue, .accessControlAllowOrigin: "*", .xContentTypeOptions: "nosniff",
        ]
        let buffer = ByteBuffer(bytes: answer.body)
        guard closing else {
            return Response(status: .init(code: answer.status), headers: headers, body: .init(byteBuffer: buffer))
        }
        // The server would read on to the end of the request, however long that takes: an error ends the connection.
        struct Closed: Error {}
        headers[.connection] = "close"
        return Response(
            status: .init(code: answer.status), headers: headers,
            body: ResponseBody(contentLength: buffer.readableBytes) { writer in
                try await writer.write(buffer)
                try await writer.finish(nil)
                // So that the answer is on its way before the connection goes.
                try await Task.sleep(for: .seconds(1))
                throw Closed()
            })
    }

    private func response(_ answer: Gateway.Response, bodiless: Bool = false) -> Response {
        var headers = HTTPFields()
        for header in answer.headers {
            guard let name = HTTPField.Name(header.name) else { continue }
            headers.append(HTTPField(name: name, value: header.value))
        }
        let status = HTTPResponse.Status(code: answer.status)
        if bodiless { return Response(status: status, headers: headers) }
        guard let more = answer.more else {
            return Response(
                status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: answer.body)))
        }
        let first = answer.body
        return Response(
            status: status, headers: headers,
            body: ResponseBody { writer in
                try await writer.write(ByteBuffer(bytes: first))
                while let piece = try await more() { try await writer.write(ByteBuffer(bytes: piece)) }
                try await writer.finish(nil)
            })
    }
}
