import Candid
import Foundation
import InternetComputer
import Synchronization

/// The REST interface of PocketIC as its Python client uses it: instances of throw-away subnets whose clock stands
/// still until it is moved. Nothing is signed or authenticated; the caller names the sender.
public final class PocketServer: Sendable {
    private struct State {
        var instances: [Int: PocketInstance] = [:]
        var nextInstance = 0
        var blobs: [[UInt8]: [UInt8]] = [:]
    }

    private let state = Mutex(State())
    /// Seconds since 1970 of the last request.
    private let lastRequest = Atomic<Int>(Int(Date().timeIntervalSince1970))
    /// Each instance holds threads and memory.
    private static let maximumInstances = 64
    private static let maximumBlobBytes = 1 << 30

    public init() {}

    /// Calls `end` once no request has come for so long.
    public func whenIdle(seconds: Int, _ end: @escaping @Sendable () -> Void) {
        Task { [weak self] in
            while let self {
                let idle = Int(Date().timeIntervalSince1970) - self.lastRequest.load(ordering: .relaxed)
                if idle >= seconds { return end() }
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// A request that cannot be served, with its HTTP status.
    struct Failure: Error {
        let status: Int
        let message: String

        init(_ status: Int, _ message: String) {
            self.status = status
            self.message = message
        }
    }

    /// Ends all instances.
    public func shutdown() async {
        let instances = state.withLock { state in
            defer { state.instances = [:] }
            return Array(state.instances.values)
        }
        for instance in instances { await instance.subnet.shutdown() }
    }

    /// Answers a request of the interface.
    public func respond(method: String, path: String, body: [UInt8]) async -> EndpointResponse {
        lastRequest.store(Int(Date().timeIntervalSince1970), ordering: .relaxed)
        do throws(Failure) {
            return try await answer(method, path.split(separator: "/").map(String.init), body)
        } catch {
            return Self.json(["message": error.message], status: error.status)
        }
    }

    private func answer(_ method: String, _ path: [String], _ body: [UInt8]) async throws(Failure) -> EndpointResponse {
        switch (method, path.first, path.count) {
        case ("GET", "status", 1): return Self.json(NSNull())
        case ("POST", "blobstore", 1): return try store(body)
        case ("GET", "instances", 1):
            return Self.json(state.withLock { $0.instances.keys.sorted() }.map { _ in "Available" })
        case ("POST", "instances", 1): return try create(PocketJSON(body))
        case ("DELETE", "instances", 2):
            let instance = Int(path[1]).flatMap { id in state.withLock { $0.instances.removeValue(forKey: id) } }
            guard let instance else { throw Failure(404, "there is no instance \(path[1])") }
            await instance.subnet.shutdown()
            return EndpointResponse(status: 200, contentType: .json, body: [])
        case (_, "instances", 4):
            guard let instance = Int(path[1]).flatMap({ id in state.withLock { $0.instances[id] } }) else {
                throw Failure(404, "there is no instance \(path[1])")
            }
            let json = method == "POST" ? try PocketJSON(body) : PocketJSON([:])
            if path[3] == "set_stable_memory" {
                let id = try json.bytes("blob_id")
                guard let blob = state.withLock({ $0.blobs[id] }) else { throw Failure(404, "there is no such blob") }
                return Self.json(try instance.setStableMemory(of: json.principal("canister_id"), to: blob))
            }
            return Self.json(try await instance.answer(path[2] + "/" + path[3], json))
        default: throw Failure(404, "there is nothing at this path")
        }
    }

    private func create(_ json: PocketJSON) throws(Failure) -> EndpointResponse {
        let kind = try Self.subnetKind(json.value["subnet_config_set"] as? [String: Any] ?? [:])
        guard state.withLock({ $0.instances.count }) < Self.maximumInstances else {
            throw Failure(429, "\(Self.maximumInstances) instances are running: delete some")
        }
        let instance: PocketInstance
        do { instance = try PocketInstance(kind: kind) } catch { throw Failure(500, "\(error)") }
        let id = state.withLock { state in
            defer { state.nextInstance += 1 }
            state.instances[state.nextInstance] = instance
            return state.nextInstance
        }
        return Self.json(["Created": ["instance_id": id, "topology": instance.topology] as [String: Any]], status: 201)
    }

    /// The one kind of subnet that was asked for; a second subnet is refused rather than left out.
    private static func subnetKind(_ set: [String: Any]) throws(Failure) -> String {
        let lists = [("application", "Application"), ("system", "System"), ("verified_application", "VerifiedApplication")]
        let singles = [("nns", "NNS"), ("sns", "SNS"), ("ii", "II"), ("fiduciary", "Fiduciary"), ("bitcoin", "Bitcoin")]
        var kinds: [String] = []
        for (key, kind) in lists { kinds += (set[key] as? [Any] ?? []).map { _ in kind } }
        for (key, kind) in singles where set[key] is [String: Any] { kinds.append(kind) }
        guard kinds.count == 1 else {
            throw Failure(400, "an instance has exactly one subnet here, \(kinds.count) were asked for")
        }
        return kinds[0]
    }

    private func store(_ body: [UInt8]) throws(Failure) -> EndpointResponse {
        let blob: [UInt8]
        do { blob = try ModuleEncoding.inflated(body, limit: Self.maximumBlobBytes) } catch {
            throw Failure(400, "the gzip data cannot be read: \(error)")
        }
        let id = RepresentationIndependentHash.hash(.bytes(blob))
        state.withLock { $0.blobs[id] = blob }
        return .text(200, hexadecimal(id))
    }

    /// A JSON response; any top-level value will do.
    static func json(_ value: Any, status: Int = 200) -> EndpointResponse {
        let data = try? JSONSerialization.data(withJSONObject: value, options: [.fragmentsAllowed, .sortedKeys])
        return EndpointResponse(status: status, contentType: .json, body: Array(data ?? Data("null".utf8)))
    }
}

/// The JSON object of a request's body.
struct PocketJSON {
    let value: [String: Any]

    init(_ value: [String: Any]) { self.value = value }

    init(_ body: [UInt8]) throws(PocketServer.Failure) {
        guard let object = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any] else {
            throw PocketServer.Failure(400, "the body is not a JSON object")
        }
        value = object
    }

    /// Bytes in base64.
    func bytes(_ key: String) throws(PocketServer.Failure) -> [UInt8] {
        guard let text = value[key] as? String, let data = Data(base64Encoded: text) else {
            throw PocketServer.Failure(400, "the field '\(key)' is not base64")
        }
        return Array(data)
    }

    func principal(_ key: String) throws(PocketServer.Failure) -> Principal {
        guard let principal = try? Principal(bytes: try bytes(key)) else {
            throw PocketServer.Failure(400, "the field '\(key)' is not a principal")
        }
        return principal
    }

    func text(_ key: String) throws(PocketServer.Failure) -> String {
        guard let text = value[key] as? String else { throw PocketServer.Failure(400, "the field '\(key)' is not a text") }
        return text
    }

    func unsigned(_ key: String) throws(PocketServer.Failure) -> UInt64 {
        guard let number = (value[key] as? NSNumber)?.uint64Value else {
            throw PocketServer.Failure(400, "the field '\(key)' is not a natural number")
        }
        return number
    }
}
