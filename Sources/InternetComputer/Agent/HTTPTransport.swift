import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix

/// HTTP over the network, with connections kept open between requests.
public struct HTTPTransport: Transport {
    public let address: String

    /// The largest body read from a replica; query replies have at most 3 MiB.
    static let maximumBodyBytes = 8 << 20

    /// One client for the process: it lives as long, so it needs no shutdown.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// - Parameter address: scheme, host and port, e.g. `http://127.0.0.1:4943`.
    public init(address: String) {
        self.address = address.hasSuffix("/") ? String(address.dropLast()) : address
    }

    public func send(_ request: TransportRequest) async throws(TransportError) -> TransportResponse {
        var outgoing = HTTPClientRequest(url: address + request.path)
        if let body = request.body {
            outgoing.method = .POST
            outgoing.headers.add(name: "content-type", value: "application/cbor")
            outgoing.body = .bytes(ByteBuffer(bytes: body))
        }
        do {
            let response = try await Self.client.execute(
                outgoing, timeout: .seconds(Int64(request.timeoutSeconds)))
            let body = try await response.body.collect(upTo: Self.maximumBodyBytes)
            return TransportResponse(status: Int(response.status.code), body: Array(body.readableBytesView))
        } catch is CancellationError {
            throw .cancelled
        } catch let error as HTTPClientError {
            switch error {
            case .cancelled: throw .cancelled
            case .deadlineExceeded, .readTimeout, .writeTimeout, .connectTimeout: throw .timedOut
            default: throw .failed(error.description)
            }
        } catch let error as NIOConnectionError {
            let refused = error.connectionErrors.contains { Self.isRefusal($0.error) }
            if refused { throw .connectionRefused }
            throw .failed("cannot connect to \(error.host):\(error.port)")
        } catch {
            if Self.isRefusal(error) { throw .connectionRefused }
            throw .failed("\(error)")
        }
    }

    private static func isRefusal(_ error: any Error) -> Bool {
        (error as? IOError)?.errnoCode == ECONNREFUSED
    }
}
