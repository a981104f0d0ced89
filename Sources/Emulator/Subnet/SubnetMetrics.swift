import Foundation

/// What a subnet has done since it started.
struct SubnetCounters: Sendable {
    /// Messages by what they were: `request`, `response`, `management`, `task`.
    var messages: [String: UInt64] = [:]
    /// Rejections by error code, of calls from outside.
    var rejections: [String: UInt64] = [:]
    /// Instructions of replicated executions.
    var instructions: UInt64 = 0
    /// Cycles that canisters were charged or burned.
    var cycles: UInt128 = 0
    var checkpoints: UInt64 = 0
    /// Queries of canisters that are deleted by now.
    var deletedQueries = QueryStatistics()

    mutating func count(_ message: QueuedMessage, _ step: Step, before: CanisterState) {
        messages[message.kind, default: 0] += 1
        instructions &+= step.instructions
        let consumed = step.state.consumed.values.reduce(UInt128(0), +)
        let old = before.consumed.values.reduce(UInt128(0), +)
        if consumed > old { cycles += consumed - old }
        for case (_, .rejected(let rejection)) in step.answers { rejections[rejection.error.text, default: 0] += 1 }
    }
}

extension QueuedMessage {
    /// The word for this kind of message in metrics and logs.
    var kind: String {
        switch self {
        case .request: "request"
        case .response: "response"
        case .management: "management"
        case .heartbeat, .timer, .lowMemory: "task"
        }
    }
}

/// One metric with its samples, as Prometheus reads them.
public struct Metric: Sendable, Equatable {
    public enum Kind: String, Sendable { case counter, gauge, histogram }
    public struct Sample: Sendable, Equatable {
        /// Follows the metric's name: `_bucket`, `_sum`, `_count` of a histogram.
        public var suffix = ""
        public var labels: [(name: String, value: String)]
        public var value: String

        public static func == (a: Self, b: Self) -> Bool { a.text(name: "") == b.text(name: "") }

        func text(name: String) -> String {
            guard !labels.isEmpty else { return "\(name)\(suffix) \(value)\n" }
            let list = labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",")
            return "\(name)\(suffix){\(list)} \(value)\n"
        }
    }
    public var name: String
    public var help: String
    public var kind: Kind
    public var samples: [Sample]

    /// The text exposition format, version 0.0.4.
    public var text: String {
        "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n" + samples.map { $0.text(name: name) }.joined()
    }

    static func one(_ name: String, _ help: String, _ kind: Kind, _ value: some BinaryInteger) -> Metric {
        Metric(name: name, help: help, kind: kind, samples: [Sample(labels: [], value: "\(value)")])
    }

    static func by(
        _ label: String, _ name: String, _ help: String, _ kind: Kind, _ values: [String: UInt64]
    ) -> Metric {
        Metric(
            name: name, help: help, kind: kind,
            samples: values.sorted { $0.key < $1.key }.map { Sample(labels: [(label, $0.key)], value: "\($0.value)") })
    }
}

extension Subnet {
    /// Gauges of the present and counters since the start.
    public func metrics() -> [Metric] {
        let (all, counters, history, height) = lock.withLock {
            (table.values.map { ($0, $0.state, $0.pending) }, self.counters, requests.count, commits)
        }
        var queries = counters.deletedQueries
        var status: [String: UInt64] = ["running": 0, "stopping": 0, "stopped": 0]
        var (heap, stable, memory, cycles) = (UInt64(0), UInt64(0), UInt64(0), UInt128(0))
        var (queued, calls) = (0, 0)
        for (canister, state, pending) in all {
            queries.add(state.queryStatistics)
            queries.add(canister.memory.currentStatistics)
            status["\(state.status)", default: 0] += 1
            heap += state.heapBytes
            stable += state.stableBytes
            memory += state.memoryBytes
            cycles += state.balance
            queued += pending
            calls += state.callbacks.count
        }
        return [
            .by("status", "deai_canisters", "Canisters by status.", .gauge, status),
            .by(
                "kind", "deai_canister_memory_bytes", "Memory of all canisters; `all` is what storage is charged for.",
                .gauge, ["heap": heap, "stable": stable, "all": memory]),
            .one("deai_canister_cycles", "Cycles that all canisters have.", .gauge, cycles),
            .one("deai_queued_messages", "Messages that wait in canisters' queues.", .gauge, queued),
            .one("deai_open_calls", "Calls between canisters that await their answers.", .gauge, calls),
            .one("deai_ingress_history_entries", "Calls from outside whose status is known.", .gauge, history),
            .one("deai_height", "Messages committed since the start.", .counter, height),
            .by("kind", "deai_messages_total", "Messages processed, by kind.", .counter, counters.messages),
            .by("code", "deai_rejected_calls_total", "Calls from outside that were rejected, by error code.", .counter, counters.rejections),
            .one("deai_instructions_total", "Instructions of replicated executions.", .counter, counters.instructions),
            .one("deai_cycles_burned_total", "Cycles that canisters were charged.", .counter, counters.cycles),
            .one("deai_queries_total", "Queries answered by canisters, over the life of the state.", .counter, queries.calls),
            .one("deai_query_instructions_total", "Instructions of queries, over the life of the state.", .counter, queries.instructions),
            .one("deai_checkpoints_total", "Times that the redo rows were folded into the memory images.", .counter, counters.checkpoints),
            .one("deai_resident_memory_bytes", "Memory of this process that is in RAM.", .gauge, Self.residentBytes),
        ]
    }

    /// From `/proc/self/statm`, whose second number counts resident pages; 0 where there is none.
    private static var residentBytes: Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let words = text.split(separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
