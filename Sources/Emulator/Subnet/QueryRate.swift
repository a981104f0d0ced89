import Candid
import Foundation
import InternetComputer

/// How many queries a second a subnet answers in-process: on waiting instances, without HTTP and without signatures.
public struct QueryRate: Sendable, Equatable {
    public var queries: Int
    public var threads: Int
    public var seconds: Double
    /// Processor time of all threads.
    public var processorSeconds: Double

    /// Answers a query `count` times, in batches shared out among the threads, after a tenth of that as warm-up.
    ///
    /// Throws `Rejection` when the canister cannot be installed or a query is rejected.
    public static func measure(
        _ module: [UInt8], method: String, argument: [UInt8] = [], initArgument: [UInt8] = [], count: Int
    ) async throws -> QueryRate {
        let subnet = try Subnet(configuration: SubnetConfiguration(subnetID: .anonymous), stateDirectory: nil)
        do {
            let rate = try await measure(subnet, module, method, argument, initArgument, count)
            await subnet.shutdown()
            return rate
        } catch {
            await subnet.shutdown()
            throw error
        }
    }

    private static func measure(
        _ subnet: Subnet, _ module: [UInt8], _ method: String, _ argument: [UInt8], _ initArgument: [UInt8], _ count: Int
    ) async throws -> QueryRate {
        let canister = try await install(subnet, module, initArgument)
        let message = QueryMessage(sender: user, canister: canister, method: method, argument: argument)
        let batch = Array(repeating: message, count: min(count, 4_000))
        func answer(_ total: Int) async throws {
            var left = total
            while left > 0 {
                let outcomes = await subnet.query(Array(batch.prefix(left)))
                for outcome in outcomes {
                    if case .rejected(let rejection) = outcome.answer { throw rejection }
                }
                left -= outcomes.count
            }
        }
        try await answer(max(1, count / 10))
        let (start, used) = (ContinuousClock.now, processorSeconds)
        try await answer(count)
        return QueryRate(
            queries: count, threads: subnet.configuration.workerThreads,
            seconds: (ContinuousClock.now - start) / .seconds(1), processorSeconds: processorSeconds - used)
    }

    private static let user = Principal.selfAuthenticating(derPublicKey: [])

    private static func install(_ subnet: Subnet, _ module: [UInt8], _ argument: [UInt8]) async throws -> Principal {
        let created = try await manage(
            subnet, 1, "provisional_create_canister_with_cycles", .record([:]), .record([:]))
        guard let bytes = try Candid.decode(created).first?["canister_id"]?.asBytes else {
            throw EngineError.engine("no canister id")
        }
        _ = try await manage(
            subnet, 2, "install_code",
            .record([
                "mode": .variant("install", .null), "canister_id": .principal(bytes), "wasm_module": .blob(module),
                "arg": .blob(argument),
            ]),
            .record([
                "mode": .variant(["install": .null]), "canister_id": .principal, "wasm_module": .blob, "arg": .blob,
            ]))
        return try Principal(bytes: bytes)
    }

    private static func manage(
        _ subnet: Subnet, _ number: UInt8, _ method: String, _ value: CandidValue, _ type: CandidType
    ) async throws -> [UInt8] {
        let id = [UInt8](repeating: number, count: 32)
        let message = IngressMessage(
            requestID: id, sender: user, canister: .managementCanister, method: method,
            argument: try Candid.encode([value], as: [type]),
            ingressExpiry: subnet.configuration.clock() + 60_000_000_000, envelopeBytes: 300)
        if case .rejected(let rejection) = await subnet.submit(message) { throw rejection }
        switch await subnet.waitForStatus(id, timeoutNanoseconds: 120_000_000_000) {
        case .replied(let bytes): return bytes
        case .rejected(let rejection): throw rejection
        case let status: throw EngineError.engine("\(method): \(status)")
        }
    }

    /// Processor seconds that `body` takes, of all threads.
    static func processorTime(_ body: () throws -> Void) rethrows -> Double {
        let before = processorSeconds
        try body()
        return processorSeconds - before
    }

    private static var processorSeconds: Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}
