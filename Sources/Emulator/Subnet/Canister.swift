import InternetComputer

/// A canister in memory: its state, memories and input queue. Guarded by the subnet's lock; `state` is changed only
/// when a message of this canister commits, and a canister runs one message at a time.
final class Canister: @unchecked Sendable {
    var state: CanisterState
    let memory: CanisterMemory
    var queue: [(sequence: UInt64, message: QueuedMessage)] = []
    var head = 0
    var snapshots: [[UInt8]: SnapshotMemories] = [:]
    /// A worker is at it.
    var busy = false

    init(state: CanisterState, memory: CanisterMemory) {
        self.state = state
        self.memory = memory
    }

    var pending: Int { queue.count - head }

    /// Whether the low-memory hook is due: before every message but responses.
    var wantsLowMemoryHook: Bool {
        state.lowMemoryHook == .ready && state.status == .running
            && memory.currentModule?.prepared.hooks.contains("canister_on_low_wasm_memory") == true
    }

    var isResponseNext: Bool {
        if head < queue.count, case .response = queue[head].message { return true }
        return false
    }

    var hasWork: Bool { pending > 0 || wantsLowMemoryHook }

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
