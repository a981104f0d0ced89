import InternetComputer

/// What the processing of one message is going to change; nothing is visible before it is committed.
struct Step {
    /// New memories of an installed canister.
    struct Installation {
        var module: CompiledModule?
        var heap: MemoryImage
        /// nil keeps stable memory.
        var stable: MemoryImage?
    }
    /// Changes to the memories, after `installation` when there is one.
    struct MemoryChange {
        var heap: MemoryDelta
        var stable: MemoryDelta?
        /// Keeps the views alive until they were committed.
        var view: CanisterMemory.View
    }

    var state: CanisterState
    let sequence: UInt64
    let time: UInt64
    /// False for messages that concern no canister (the management canister's own queue).
    let persists: Bool
    var store = StoreTransaction()
    var sends: [(to: Principal, message: QueuedMessage)] = []
    var answers: [(requestID: [UInt8], status: RequestStatus)] = []
    var created: [Canister] = []
    var deleted = false
    /// Of all that ran for the message.
    var instructions: UInt64 = 0
    var installation: Installation?
    var change: MemoryChange?
    var newSnapshots: [(id: [UInt8], memories: SnapshotMemories)] = []
    var removedSnapshots: [[UInt8]] = []

    /// Answers a call, with the cycles that go back.
    mutating func respond(to origin: CallOrigin, _ result: Result<[UInt8], Rejection>, refund: UInt128) {
        switch origin {
        case .system: break
        case .ingress(let id):
            let status: RequestStatus =
                switch result {
                case .success(let bytes): .replied(bytes)
                case .failure(let rejection): .rejected(rejection)
                }
            answers.append((id, status))
        case .canister(let caller, let callback):
            let payload: CallResponse.Payload =
                switch result {
                case .success(let bytes): .reply(bytes)
                case .failure(let rejection):
                    .reject(rejection.reject, String(decoding: rejection.message.utf8.prefix(8192), as: UTF8.self))
                }
            sends.append((caller, .response(callback: callback, CallResponse(payload: payload, refund: refund))))
        }
    }
}
