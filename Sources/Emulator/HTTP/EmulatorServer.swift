import CMemory
import Foundation
import Hummingbird
import InternetComputer
import Logging
import NIOCore
import NIOPosix

/// Serves the endpoints over HTTP until it is told to stop.
public struct EmulatorServer: Sendable {
    public struct Configuration: Sendable {
        /// Loopback unless asked otherwise: whoever reaches the port owns the subnet.
        public var host = "127.0.0.1"
        /// 0 takes any free port.
        public var port = 4943
        /// A client that neither sends nor reads for this long is disconnected.
        public var idleSeconds: Int64 = 60
        /// A request's body must be complete within this time.
        public var bodySeconds = 30
        public var logger = Logger(label: "deai.emulator")

        public init() {}
    }

    /// What is served.
    public enum Content: Sendable {
        /// A subnet: the interface of a replica, and its canisters as web sites.
        case subnet(Endpoints)
        /// PocketIC's interface.
        case pocket(PocketServer)
    }

    private let content: Content
    private let configuration: Configuration

    public init(endpoints: Endpoints, configuration: Configuration) {
        self.init(content: .subnet(endpoints), configuration: configuration)
    }

    public init(content: Content, configuration: Configuration) {
        self.content = content
        self.configuration = configuration
    }

    /// Serves until SIGINT or SIGTERM, then lets running requests end.
    ///
    /// - Parameters:
    ///   - stopsOnSignals: false leaves signals alone; cancel the task to stop.
    ///   - onRunning: told the port once requests are accepted.
    public func run(
        stopsOnSignals: Bool = true, onRunning: @escaping @Sendable (_ port: Int) async -> Void
    ) async throws(EmulatorStartError) {
        // A third of the time of an upload went into zeroing buffers that had just been given back.
        memory_keep_buffers()
        let handler = RequestHandler(
            content: content, bodySeconds: configuration.bodySeconds,
            servesMetrics: ["127.0.0.1", "::1", "localhost"].contains(configuration.host))
        let responder = CallbackResponder<BasicRequestContext> { request, _ in await handler.respond(to: request) }
        var quiet = configuration.logger
        quiet.logLevel = max(quiet.logLevel, .warning)
        let application = Application(
            responder: responder,
            server: .http1(configuration: .init(idleTimeout: .seconds(configuration.idleSeconds))),
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port)),
            onServerRunning: { channel in await onRunning(channel.localAddress?.port ?? 0) },
            logger: quiet)
        // Connections are served on threads that may also run queries: a query then needs no other thread.
        let threads = WorkerPool(
            name: "http", threads: Subnet.mostInline + 8,
            concurrency: max(2, ProcessInfo.processInfo.activeProcessorCount))
        // The last part of this task may still run on one of them, so they are not waited for.
        defer { threads.finish() }
        do {
            try await withTaskExecutorPreference(threads) {
                try await application.runService(gracefulShutdownSignals: stopsOnSignals ? [.sigterm, .sigint] : [])
            }
        } catch is CancellationError {
            return
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw .portTaken(host: configuration.host, port: configuration.port)
        } catch {
            throw .cannotListen(host: configuration.host, port: configuration.port, reason: "\(error)")
        }
    }
}

/// Why an emulator did not start.
public enum EmulatorStartError: Error, Equatable, Sendable, CustomStringConvertible {
    case portTaken(host: String, port: Int)
    case cannotListen(host: String, port: Int, reason: String)
    case stateInUse(directory: String, process: Int32?)
    case state(String)
    case keys(String)

    public var description: String {
        switch self {
        case .portTaken(let host, let port):
            "port \(port) of \(host) is taken: stop what listens there, or choose another one with --port"
        case .cannotListen(let host, let port, let reason): "cannot listen at \(host):\(port): \(reason)"
        case .stateInUse(let directory, let process):
            "the state in \(directory) is in use by another emulator"
                + (process.map { " (process \($0))" } ?? "")
                + ": stop it with `deai-train emulator stop`, or choose another --state"
        case .state(let reason): "the emulator's state cannot be used: \(reason)"
        case .keys(let reason): reason
        }
    }
}
