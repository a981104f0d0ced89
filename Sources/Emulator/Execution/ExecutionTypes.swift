import IC0
import InternetComputer

/// Where an execution enters the module.
enum EntryPoint: Sendable, Equatable {
    case export(String)
    /// A function of table 0 with its environment, as `call_new` named it.
    case callback(function: UInt64, environment: UInt64)
}

/// Why an execution failed; everything it did is dropped, what it used is charged.
enum ExecutionFailure: Error, Equatable, Sendable {
    case trapped(String)
    case calledTrap(String)
    case contractViolation(String)
    case instructionLimit
    case sliceOverrun(instructions: UInt64, limit: UInt64)
    case memoryAccessLimit(String)
    case outOfMemory
    case wasmMemoryLimit(bytes: UInt64, limit: UInt64)
    case methodNotFound(kind: String, name: String)
    case engine(String)
    case insufficientCycles(String)
    /// A check of the subnet that has a code of its own.
    case refused(ErrorCode, String)
    /// The emulator stops; the message runs again at the next start.
    case interrupted

    /// The answer that the caller of the message sees.
    func rejection(canister: Principal) -> Rejection {
        let prefix = "Error from Canister \(canister.text): "
        switch self {
        case .trapped(let reason):
            return Rejection(.canisterTrapped, prefix + "Canister trapped: \(reason)")
        case .calledTrap(let text):
            return Rejection(.canisterCalledTrap, prefix + "Canister called `ic0.trap` with message: \(text)")
        case .contractViolation(let text):
            return Rejection(.canisterContractViolation, prefix + "Canister violated contract: \(text)")
        case .instructionLimit:
            return Rejection(
                .canisterInstructionLimitExceeded,
                prefix + "Canister exceeded the instruction limit for single message execution.")
        case .sliceOverrun(let instructions, let limit):
            return Rejection(
                .canisterInstructionLimitExceeded,
                prefix + "Canister attempted to perform a large memory operation that used \(instructions) "
                    + "instructions and exceeded the slice limit \(limit).")
        case .memoryAccessLimit(let text):
            return Rejection(
                .canisterMemoryAccessLimitExceeded, prefix + "Canister exceeded memory access limits: \(text)")
        case .outOfMemory:
            return Rejection(.canisterOutOfMemory, prefix + "Canister cannot grow its memory usage.")
        case .wasmMemoryLimit(let bytes, let limit):
            return Rejection(
                .canisterWasmMemoryLimitExceeded,
                prefix + "Canister exceeded its current Wasm memory limit of \(limit) bytes (needs \(bytes)).")
        case .methodNotFound(let kind, let name):
            return Rejection(.canisterMethodNotFound, prefix + "Canister has no \(kind) method '\(name)'.")
        case .engine(let reason):
            return Rejection(.canisterWasmEngineError, prefix + "Canister encountered a Wasm engine error: \(reason)")
        case .interrupted:
            return Rejection(.certifiedStateUnavailable, prefix + "The emulator is shutting down.")
        case .refused(let code, let text):
            return Rejection(code, prefix + text)
        case .insufficientCycles(let text):
            return Rejection(.canisterOutOfCycles, prefix + text)
        }
    }

    /// Text for the canister's log, or nil when nothing is logged.
    var logText: String? {
        switch self {
        case .trapped(let reason): "[TRAP]: \(reason)"
        case .calledTrap(let text): "[TRAP]: \(text)"
        default: nil
        }
    }
}

/// A value of a persisted global, as its bits.
struct GlobalValue: Sendable, Equatable {
    /// Wasm type byte: 0x7f i32, 0x7e i64, 0x7d f32, 0x7c f64, 0x7b v128.
    var type: UInt8
    var low: UInt64
    var high: UInt64 = 0
}

/// A call that a finished message sends.
struct OutgoingCall: Sendable, Equatable {
    struct Closure: Sendable, Equatable {
        var function: UInt64
        var environment: UInt64
    }
    var callee: [UInt8]
    var method: [UInt8]
    var onReply: Closure
    var onReject: Closure
    var onCleanup: Closure?
    var argument: [UInt8] = []
    var cycles: UInt128 = 0
    var timeoutSeconds: UInt32?
    /// Cycles set aside for the response's transport and the callback's execution.
    var reserved: UInt128 = 0
}

/// What the message is: who calls, with what, and what the system API may show of it.
struct MessageEnvironment: Sendable {
    /// Exactly one context.
    var context: SystemContexts
    var replicated = true
    var caller: [UInt8] = []
    var callerInfo: CallerInfo?
    var argument: [UInt8] = []
    var methodName: [UInt8] = []
    var rejectCode: UInt32 = 0
    var rejectMessage: [UInt8] = []
    /// Cycles attached to the call and not yet accepted.
    var available: UInt128 = 0
    var refunded: UInt128 = 0
    var deadline: UInt64 = 0
    /// False once the call context has been answered, and where no answer is owed.
    var mayRespond = false
    var certificate: [UInt8]?
    /// Instructions used by earlier messages of the same call context.
    var contextInstructions: UInt64 = 0
    var replyLimit = 2 * 1024 * 1024
    var instructionLimit: UInt64
    var sliceLimit: UInt64
    var stablePageLimit: UInt64
    /// False in queries, whose changed pages are not counted.
    var chargesDirtyPages = true

    init(context: SystemContexts, instructionLimit: UInt64, sliceLimit: UInt64, stablePageLimit: UInt64) {
        self.context = context
        self.instructionLimit = instructionLimit
        self.sliceLimit = sliceLimit
        self.stablePageLimit = stablePageLimit
    }
}

/// What the canister is at the start of the message.
struct CanisterEnvironment: Sendable {
    var id: Principal
    var subnetID: Principal
    var controllers: [Principal] = []
    var status: Int32 = 1
    var version: UInt64 = 0
    var time: UInt64 = 0
    var timer: UInt64 = 0
    /// After the prepayment for this execution.
    var balance: UInt128 = 0
    var freezingLimit: UInt128 = 0
    /// Sorted by name.
    var variables: [(name: [UInt8], value: [UInt8])] = []
    var rootKey: [UInt8] = []
    var wasmMemoryLimit: UInt64 = 0
    /// Bytes used in the canister's log, with the 40 bytes of each record.
    var log = CanisterLog(capacity: 4096)
    /// Open calls to each callee, for the queue limit.
    var openCalls: [[UInt8]: Int] = [:]
    var configuration: SubnetConfiguration
}

/// What an execution did. With a failure only `instructions`, `slices` and `log` count.
struct ExecutionOutcome: Sendable {
    enum Response: Sendable, Equatable {
        case reply([UInt8])
        case reject(String)
    }
    var failure: ExecutionFailure?
    var instructions: UInt64 = 0
    var slices = 1
    var response: Response?
    var calls: [OutgoingCall] = []
    var accepted: UInt128 = 0
    var burned: UInt128 = 0
    /// Balance after acceptances, burns, attached cycles and call reserves.
    var balance: UInt128 = 0
    var certifiedData: [UInt8]?
    var timer: UInt64?
    var acceptedMessage = false
    var heap = MemoryDelta(size: 0)
    var stable: MemoryDelta?
    var globals: [GlobalValue] = []
    var log: CanisterLog
    var dirtyPages: Int { heap.pages }
}

/// A canister's log: at most 4 KiB, oldest records dropped.
struct CanisterLog: Sendable, Equatable {
    struct Record: Sendable, Equatable {
        var index: UInt64
        var time: UInt64
        var content: [UInt8]
    }
    static let recordOverhead = 40

    var capacity: Int
    var records: [Record] = []
    var used = 0
    var nextIndex: UInt64 = 0

    init(capacity: Int) { self.capacity = capacity }

    var free: Int { capacity - used }

    mutating func append(_ content: [UInt8], time: UInt64) {
        let kept = content.count + Self.recordOverhead > capacity
            ? Array(content.prefix(max(0, capacity - Self.recordOverhead))) : content
        records.append(Record(index: nextIndex, time: time, content: kept))
        nextIndex += 1
        used += kept.count + Self.recordOverhead
        var dropped = 0
        while used > capacity, dropped < records.count {
            used -= records[dropped].content.count + Self.recordOverhead
            dropped += 1
        }
        records.removeFirst(dropped)
    }

    mutating func clear() {
        records = []
        used = 0
    }
}
