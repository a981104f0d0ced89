import Dispatch
import Foundation
import InternetComputer

/// Certifies state for many requests with one signature: whoever asks while a certificate is being made shares
/// the next one, as all requests of a round do on the real network.
final class CertificateBatcher: @unchecked Sendable {
    private struct Order {
        let paths: [[[UInt8]]]
        let requests: [[UInt8]]
        let deliver: @Sendable ([UInt8]) -> Void
    }

    private let replica: any Replica
    private let keys: ReplicaKeys
    private let queue = DispatchQueue(label: "deai.certificates")
    private let lock = NSLock()
    private var orders: [Order] = []
    private var running = false
    /// Hashed canisters of the last certificate; used on `queue` only.
    private var hashed: [[UInt8]: (state: StateTree, tree: HashedTree)] = [:]

    /// A batch is bounded, so that one tree never grows past what a signature takes to make.
    private static let batch = 256

    init(replica: any Replica, keys: ReplicaKeys) {
        self.replica = replica
        self.keys = keys
    }

    /// The encoded certificate of a state not older than this call that reveals `paths` and the time;
    /// `requests` are the ids of the messages whose status the paths mention.
    func certificate(revealing paths: [[[UInt8]]], requests: [[UInt8]]) async -> [UInt8] {
        await withCheckedContinuation { continuation in
            let order = Order(paths: paths, requests: requests) { continuation.resume(returning: $0) }
            let starts = lock.withLock {
                orders.append(order)
                defer { running = true }
                return !running
            }
            if starts { queue.async { self.work() } }
        }
    }

    private func work() {
        while true {
            let batch = lock.withLock { () -> [Order] in
                let batch = Array(orders.prefix(Self.batch))
                orders.removeFirst(batch.count)
                running = !batch.isEmpty
                return batch
            }
            guard !batch.isEmpty else { return }
            let state = replica.stateTree(
                requests: Array(Set(batch.flatMap(\.requests))), publicKey: keys.rootKey,
                nodeKeys: [(node: keys.nodeID, key: keys.node.derPublicKey)])
            let tree = hash(state)
            let signature = keys.subnet.sign(Certificate.signedBytes(rootHash: tree.digest)).compressed
            for order in batch {
                let witness = tree.revealing(order.paths + [[Array("time".utf8)]])
                order.deliver(Certificate(tree: witness, signature: signature).encoded())
            }
        }
    }

    /// Hashes a state; canisters that have not changed since the last one keep their hash.
    private func hash(_ state: StateTree) -> HashedTree {
        guard case .labeled(let top) = state else { return HashedTree(state) }
        let canisterLabel = Array("canister".utf8)
        return HashedTree(
            top.map { entry in
                guard entry.label == canisterLabel, case .labeled(let canisters) = entry.child else {
                    return (entry.label, HashedTree(entry.child))
                }
                var fresh: [[UInt8]: (state: StateTree, tree: HashedTree)] = [:]
                let children = canisters.map { canister -> (label: [UInt8], child: HashedTree) in
                    var known = hashed[canister.label]
                    if known?.state != canister.child { known = (canister.child, HashedTree(canister.child)) }
                    fresh[canister.label] = known
                    return (canister.label, known?.tree ?? HashedTree(canister.child))
                }
                hashed = fresh
                return (entry.label, HashedTree(children))
            })
    }
}
