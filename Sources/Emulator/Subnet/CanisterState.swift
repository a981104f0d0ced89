import InternetComputer

/// Settings of a canister, all with values.
struct CanisterSettings: Sendable, Equatable {
    enum Visibility: Sendable, Equatable {
        case controllers
        case everyone
        case viewers([Principal])
    }
    var controllers: [Principal]
    var computeAllocation: UInt64 = 0
    var memoryAllocation: UInt64 = 0
    var freezingThreshold: UInt64 = 2_592_000
    var reservedCyclesLimit: UInt128 = 5_000_000_000_000
    var minimumIncomingCycles: UInt128 = 0
    var logVisibility = Visibility.controllers
    var snapshotVisibility = Visibility.controllers
    var statusVisibility = Visibility.controllers
    var wasmMemoryLimit: UInt64 = 0
    var wasmMemoryThreshold: UInt64 = 0
    /// Sorted by name.
    var variables: [(name: [UInt8], value: [UInt8])] = []

    static func == (a: Self, b: Self) -> Bool {
        a.controllers == b.controllers && a.computeAllocation == b.computeAllocation
            && a.memoryAllocation == b.memoryAllocation && a.freezingThreshold == b.freezingThreshold
            && a.reservedCyclesLimit == b.reservedCyclesLimit && a.minimumIncomingCycles == b.minimumIncomingCycles
            && a.logVisibility == b.logVisibility && a.snapshotVisibility == b.snapshotVisibility
            && a.statusVisibility == b.statusVisibility && a.wasmMemoryLimit == b.wasmMemoryLimit
            && a.wasmMemoryThreshold == b.wasmMemoryThreshold
            && a.variables.elementsEqual(b.variables) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// Who awaits the answer to a call.
enum CallOrigin: Sendable, Equatable {
    case ingress(requestID: [UInt8])
    case canister(Principal, callback: UInt64)
    /// Heartbeat or timer: nobody.
    case system
}

/// A call on its way to a canister or to the management canister.
struct CallRequest: Sendable, Equatable {
    var origin: CallOrigin
    var sender: Principal
    var method: String
    var argument: [UInt8]
    var cycles: UInt128 = 0
    /// Nanoseconds, 0 for guaranteed response.
    var deadline: UInt64 = 0
    /// What the receiver pays for transport when the message came from outside.
    var ingressCost: UInt128 = 0
    var callerInfo: CallerInfo?
}

/// The answer to an inter-canister call.
struct CallResponse: Sendable, Equatable {
    enum Payload: Sendable, Equatable {
        case reply([UInt8])
        case reject(RejectCode, String)
    }
    var payload: Payload
    var refund: UInt128 = 0
}

/// One entry of a canister's input queue.
enum QueuedMessage: Sendable, Equatable {
    case request(CallRequest)
    case response(callback: UInt64, CallResponse)
    /// A management call that concerns this canister.
    case management(CallRequest)
    case heartbeat
    case timer
    /// The hook `canister_on_low_wasm_memory`; follows from the canister's state and is never stored.
    case lowMemory
}

extension QueuedMessage {
    /// What a call from outside takes of the room for such calls; 0 for everything else.
    var ingressBytes: Int {
        switch self {
        case .request(let call), .management(let call):
            if case .ingress = call.origin { return call.argument.count + 256 }
            return 0
        case .response, .heartbeat, .timer, .lowMemory: return 0
        }
    }
}

struct CallContext: Sendable, Equatable {
    var id: UInt64
    var origin: CallOrigin
    var caller: Principal
    /// Attached and not yet accepted.
    var available: UInt128
    var responded = false
    var openCallbacks = 0
    var instructions: UInt64 = 0
    var deadline: UInt64 = 0
    var callerInfo: CallerInfo?
}

struct Callback: Sendable, Equatable {
    var context: UInt64
    var callee: Principal
    var onReply: OutgoingCall.Closure
    var onReject: OutgoingCall.Closure
    var onCleanup: OutgoingCall.Closure?
    var reserved: UInt128
    var deadline: UInt64
}

struct HistoryEntry: Sendable, Equatable {
    enum Origin: Sendable, Equatable {
        case user(Principal)
        case canister(Principal, version: UInt64?)
    }
    enum Details: Sendable, Equatable {
        case creation([Principal])
        case uninstall
        /// 0 install, 1 reinstall, 2 upgrade
        case deployment(mode: UInt8, moduleHash: [UInt8])
        case controllers([Principal])
        case snapshot(id: [UInt8], version: UInt64, taken: UInt64)
    }
    var time: UInt64
    var version: UInt64
    var origin: Origin
    var details: Details
}

/// Everything of a canister but its memories and queue; changed by its one worker, written whole at each commit.
struct CanisterState: Sendable {
    enum Status: UInt8, Sendable { case running = 1, stopping = 2, stopped = 3 }
    /// Whether free heap is below the threshold of the settings, and what was done about it.
    enum LowMemoryHook: UInt8, Sendable { case notSatisfied, ready, executed }

    var id: Principal
    var settings: CanisterSettings
    var status = Status.running
    var version: UInt64 = 0
    var balance: UInt128 = 0
    var certifiedData: [UInt8] = []
    var timer: UInt64 = 0
    /// SHA-256 of the installed module as uploaded; nil when empty.
    var moduleHash: [UInt8]?
    var moduleBytes: UInt64 = 0
    var globals: [GlobalValue] = []
    /// Numbers in the names of the image files.
    var heapGeneration: UInt64 = 0
    var stableGeneration: UInt64 = 0
    var heapBytes: UInt64 = 0
    var stableBytes: UInt64 = 0
    var contexts: [UInt64: CallContext] = [:]
    var callbacks: [UInt64: Callback] = [:]
    var nextID: UInt64 = 1
    var log = CanisterLog(capacity: 4096)
    var history: [HistoryEntry] = []
    var totalHistory: UInt64 = 0
    var created: UInt64 = 0
    var installed: UInt64 = 0
    /// Time up to which storage and compute were charged.
    var charged: UInt64 = 0
    var consumed: [String: UInt128] = [:]
    var chunks: [[UInt8]] = []
    /// stop_canister calls that wait for open call contexts, with their deadlines.
    var stopCalls: [(request: CallRequest, deadline: UInt64)] = []

    var lowMemoryHook = LowMemoryHook.notSatisfied
    var snapshots: [Snapshot] = []
    /// Cycles set aside for future storage; they pay before the balance does.
    var reserved: UInt128 = 0
    var queryStatistics = QueryStatistics()
    /// Work above the rate limits that is still to be worked off, and since when; not kept over a restart.
    var installDebit: UInt64 = 0
    var heapDebit: UInt64 = 0
    var debitTime: UInt64 = 0

    init(id: Principal, settings: CanisterSettings) {
        self.id = id
        self.settings = settings
    }

    func isController(_ principal: Principal) -> Bool { settings.controllers.contains(principal) }

    mutating func newID() -> UInt64 {
        defer { nextID += 1 }
        return nextID
    }

    mutating func record(_ details: HistoryEntry.Details, origin: HistoryEntry.Origin, time: UInt64, keep: Int) {
        history.append(HistoryEntry(time: time, version: version, origin: origin, details: details))
        totalHistory += 1
        if history.count > keep { history.removeFirst(history.count - keep) }
    }

    /// Takes cycles, at most what is there, and books them.
    mutating func consume(_ cycles: UInt128, for use: String) {
        let taken = min(cycles, balance)
        balance -= taken
        consumed[use, default: 0] += taken
    }

    mutating func add(_ cycles: UInt128) {
        let (sum, overflow) = balance.addingReportingOverflow(cycles)
        balance = overflow ? UInt128.max : sum
    }

    /// Bytes that storage is charged for.
    var memoryBytes: UInt64 {
        heapBytes + stableBytes + moduleBytes + UInt64(chunks.count) << 20 + UInt64(globals.count * 8)
            + UInt64(history.count * 100) + snapshots.reduce(0) { $0 + $1.totalBytes }
    }

    /// Pays for storage from the reservation first.
    mutating func consumeStorage(_ cycles: UInt128) {
        let fromReserved = min(cycles, reserved)
        reserved -= fromReserved
        consumed["memory", default: 0] += fromReserved
        consume(cycles - fromReserved, for: "memory")
    }

    /// Whether the low-memory hook is due after what just changed.
    mutating func updateLowMemoryHook(_ limits: SubnetConfiguration.Limits) {
        let limit = settings.wasmMemoryLimit > 0 ? settings.wasmMemoryLimit : limits.heap32Bytes
        let free = limit > heapBytes ? limit - heapBytes : 0
        if free >= settings.wasmMemoryThreshold {
            lowMemoryHook = .notSatisfied
        } else if lowMemoryHook == .notSatisfied {
            lowMemoryHook = .ready
        }
    }

    /// Cycles for a time at the present size.
    func idleCost(seconds: UInt128, prices: SubnetConfiguration.Prices) -> UInt128 {
        let bytes = UInt128(max(memoryBytes, settings.memoryAllocation))
        let storage = bytes * UInt128(prices.storageGiBSecond) * seconds / (1 << 30)
        let compute = UInt128(settings.computeAllocation) * UInt128(prices.computePercentSecond) * seconds
        let base = bytes > 0 ? UInt128(prices.basePerSecond) * seconds : 0
        return prices.scaled(storage + compute + base)
    }

    /// Cycles below which the canister is frozen, less what is reserved.
    func freezingLimit(_ prices: SubnetConfiguration.Prices) -> UInt128 {
        let limit = idleCost(seconds: 86_400, prices: prices) * UInt128(settings.freezingThreshold) / 86_400
        return limit > reserved ? limit - reserved : 0
    }

    func liquidBalance(_ prices: SubnetConfiguration.Prices) -> UInt128 {
        let limit = freezingLimit(prices)
        return balance > limit ? balance - limit : 0
    }
}
