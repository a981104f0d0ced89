import Synchronization

/// Counts HTTP requests by endpoint and status, and how long they took.
final class RequestTimes: Sendable {
    enum Endpoint: String, CaseIterable, Sendable {
        case call, query, readState = "read_state", status, other

        init(path: String) {
            let end = path.utf8.suffix(11)
            if end.elementsEqual("/read_state".utf8) {
                self = .readState
            } else if end.suffix(6).elementsEqual("/query".utf8) {
                self = .query
            } else if end.suffix(5).elementsEqual("/call".utf8) {
                self = .call
            } else {
                self = end.suffix(7).elementsEqual("/status".utf8) ? .status : .other
            }
        }
    }

    private struct Counts {
        var statuses: [Int: UInt64] = [:]
        /// How many took at most the bound of the same index, and longer than the one before; the last has no bound.
        var buckets = [UInt64](repeating: 0, count: RequestTimes.bounds.count + 1)
        var nanoseconds: UInt64 = 0
    }

    /// Upper bounds in microseconds.
    static let bounds: [UInt64] = [
        50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000,
    ]

    private let counts = Mutex([Counts](repeating: Counts(), count: Endpoint.allCases.count))

    func record(path: String, status: Int, took duration: Duration) {
        let endpoint = Endpoint(path: path)
        let (seconds, attoseconds) = duration.components
        let nanoseconds = UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000)
        let bucket = Self.bounds.firstIndex { nanoseconds <= $0 * 1000 } ?? Self.bounds.count
        let index = Endpoint.allCases.firstIndex(of: endpoint) ?? 0
        counts.withLock {
            $0[index].statuses[status, default: 0] += 1
            $0[index].buckets[bucket] += 1
            $0[index].nanoseconds &+= nanoseconds
        }
    }

    /// A counter by endpoint and status, and a histogram of seconds by endpoint.
    var metrics: [Metric] {
        let all = counts.withLock { $0 }
        var requests: [Metric.Sample] = []
        var seconds: [Metric.Sample] = []
        for (endpoint, counts) in zip(Endpoint.allCases, all) where !counts.statuses.isEmpty {
            let label = (name: "endpoint", value: endpoint.rawValue)
            for (status, count) in counts.statuses.sorted(by: { $0.key < $1.key }) {
                requests.append(.init(labels: [label, ("status", "\(status)")], value: "\(count)"))
            }
            var total: UInt64 = 0
            for (index, count) in counts.buckets.enumerated() {
                total += count
                let bound = index < Self.bounds.count ? Self.seconds(nanoseconds: Self.bounds[index] * 1000) : "+Inf"
                seconds.append(.init(suffix: "_bucket", labels: [label, ("le", bound)], value: "\(total)"))
            }
            seconds.append(.init(suffix: "_sum", labels: [label], value: Self.seconds(nanoseconds: counts.nanoseconds)))
            seconds.append(.init(suffix: "_count", labels: [label], value: "\(total)"))
        }
        return [
            Metric(
                name: "deai_http_requests_total", help: "HTTP requests by endpoint and status.", kind: .counter,
                samples: requests),
            Metric(
                name: "deai_http_request_seconds", help: "Time from a request's last byte to its answer.",
                kind: .histogram, samples: seconds),
        ]
    }

    private static func seconds(nanoseconds: UInt64) -> String { "\(Double(nanoseconds) / 1e9)" }
}
