import InternetComputer

/// A canister in memory: its state, memories and input queue. Guarded by the subnet's lock; `state` is changed only
/// when a message of this canister commits, and a canister runs one message at a time.
final class Canister: @unchecked Sendable {
    var state: CanisterState
    let memory: CanisterMemory
    var queue: [(sequence: UInt64, message: QueuedMessage)] = []
    var head = 0
    /// A worker is at it.
    var busy = false

    init(state: CanisterState, memory: CanisterMemory) {
        self.state = state
        self.memory = memory
    }

    var pending: Int { queue.count - head }

    func push(_ sequence: UInt64, _ message: QueuedMessage) { queue.append((sequence, message)) }

    func pop() -> (sequence: UInt64, message: QueuedMessage)? {
        guard head < queue.count else { return nil }
        defer {
            head += 1
            if head == queue.count || head > 1024 {
                queue.removeFirst(head)
                head = 0
            }
        }
        return queue[head]
    }
}
