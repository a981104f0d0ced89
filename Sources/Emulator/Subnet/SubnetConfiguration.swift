import Foundation
import InternetComputer
import Logging

/// Everything about the subnet that documents and code of the real one dispute or may change, with documented defaults.
public struct SubnetConfiguration: Sendable {
    public var limits = Limits()
    public var prices = Prices()
    /// Id of the subnet; the HTTP layer sets the self-authenticating id of its BLS key.
    public var subnetID: Principal
    /// First canister id of the range, as a number.
    public var firstCanister: UInt64 = 0
    /// Number of canister ids in the range (the archived reference implementation gives each subnet 2^20).
    public var canisterRange: UInt64 = 1 << 20
    /// The one canister that may mint cycles; nil on an application subnet.
    public var cyclesMintingCanister: Principal?
    /// Nanoseconds since 1970; replaced in tests.
    public var clock: @Sendable () -> UInt64 = {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
    /// Signs data certificates for queries; without one `data_certificate_present` is 0.
    public var certifier: (any Certifier)?
    /// Runs heartbeats and timers from a clock of its own; tests call `Subnet.tick()` themselves.
    public var automaticTicks = true
    /// Threads that run Wasm, each with a 16 MiB stack.
    public var workerThreads = max(2, ProcessInfo.processInfo.activeProcessorCount)
    /// Carries out `http_request`; nil refuses every outcall.
    public var outcalls: HTTPOutcall.Handler?
    /// The node that `node_metrics_history` tells of.
    public var nodeID: Principal?
    /// Takes what happens: life of canisters at `info`, every message at `debug`. Warnings and worse unless replaced.
    public var logger: Logger = {
        var logger = Logger(label: "deai.emulator")
        logger.logLevel = .warning
        return logger
    }()
    /// Text lines of `debug_print` and `trap` of replicated executions, for a developer's console.
    public var onDebugPrint: (@Sendable (_ canister: Principal, _ text: String) -> Void)?

    public init(subnetID: Principal) { self.subnetID = subnetID }

    /// Limits of one application subnet.
    public struct Limits: Sendable {
        /// Update, callback, heartbeat, timer.
        public var updateInstructions: UInt64 = 40_000_000_000
        public var queryInstructions: UInt64 = 5_000_000_000
        /// install_code and upgrade, all entry points together.
        public var installInstructions: UInt64 = 300_000_000_000
        public var inspectInstructions: UInt64 = 200_000_000
        /// Deterministic time slice of updates and installs.
        public var sliceInstructions: UInt64 = 2_000_000_000
        public var ingressBytes = 2 * 1024 * 1024
        public var requestPayloadBytes = 10 * 1024 * 1024
        public var replyBytes = 2 * 1024 * 1024
        public var queryReplyBytes = 3 * 1024 * 1024
        public var methodNameBytes = 20_000
        public var rejectMessageBytes = 8 * 1024
        /// Queue between a pair of canisters, each way.
        public var queueDepth = 500
        public var callTimeoutSeconds: UInt32 = 300
        public var ingressTimeToLiveNanoseconds: UInt64 = 300_000_000_000
        public var ingressDriftNanoseconds: UInt64 = 30_000_000_000
        public var ingressHistory = 600_000
        /// Arguments of calls from outside that may wait in all queues together; what comes then is refused (IC0201).
        public var queuedIngressBytes = 256 << 20
        /// How long answers stay in the ingress history.
        public var ingressHistoryNanoseconds: UInt64 = 300_000_000_000
        public var stopTimeoutNanoseconds: UInt64 = 300_000_000_000
        public var heap32Bytes: UInt64 = 4 << 30
        public var heap64Bytes: UInt64 = 6 << 30
        public var stableBytes: UInt64 = 500 << 30
        /// 4-KiB stable pages that a message may touch, and separately write.
        public var stableMessagePages: UInt64 = (2 << 30) / 4096
        public var stableInstallPages: UInt64 = (8 << 30) / 4096
        public var stableQueryPages: UInt64 = (1 << 30) / 4096
        public var controllers = 10
        public var environmentVariables = 20
        public var environmentVariableBytes = 128
        public var moduleBytes = 100 * 1024 * 1024
        public var codeSectionBytes = 10 * 1024 * 1024
        public var functions = 50_000
        public var globals = 1_000
        public var functionOperators = 1_000_000
        /// Longest name in the name section.
        public var functionNameBytes = 1 << 20
        public var publicMethods = 1_000
        public var publicMethodNameBytes = 20_000
        public var tableElements: UInt64 = 1_000_000
        public var customSections = 16
        public var customSectionBytes = 1 << 20
        /// table.grow, set, fill, copy and init are refused at install (the version of the replica that was read).
        public var refuseTableMutation = true
        public var tailCalls = true
        public var chunkBytes = 1 << 20
        public var chunks = 100
        public var snapshots = 10
        /// Charged for taking, loading and replacing a snapshot, and for each read or written part of one.
        public var snapshotInstructions: UInt64 = 2_000_000_000
        public var snapshotDataInstructions: UInt64 = 5_000_000
        /// Storage of all canisters, and from where on growth reserves cycles (rising to ten years of fees when full).
        public var subnetMemoryBytes: UInt64 = 2 << 40
        public var reservationThresholdBytes: UInt64 = 750 << 30
        /// Rate limits of the replica, per round: 2,000,000,000 instructions of install_code (IC0209) and 75 MiB of
        /// changed heap (IC0210, refuses installs). The emulator has no rounds and by default no such limits; when
        /// set, a round is `roundNanoseconds`.
        public var installInstructionsPerRound: UInt64?
        public var heapDeltaBytesPerRound: UInt64?
        /// Instructions per round and thread: 7,000,000,000 in the documents, 4,000,000,000 in the replica's code.
        /// nil, the default, runs messages as fast as the machine does; when set, what is over waits for the next
        /// round, with `roundOverheadInstructions` added for each message.
        public var roundInstructions: UInt64?
        public var roundThreads: UInt64 = 4
        public var roundOverheadInstructions: UInt64 = 2_000_000
        public var roundNanoseconds: UInt64 = 1_000_000_000
        public var logBytes = 4 * 1024
        public var historyEntries = 20
        public var compositeDepth = 6
        /// How long a composite query with its calls may take by the wall clock.
        public var compositeNanoseconds: UInt64 = 10_000_000_000
        /// Sum of the compute allocations of all canisters, in percent.
        public var computeAllocationPercent: UInt64 = 299
        /// After how long without messages a canister is charged for storage and compute all the same.
        public var idleChargeNanoseconds: UInt64 = 600_000_000_000
        /// How old a query's data certificate may be; one certificate serves all queries of a canister that long.
        public var dataCertificateNanoseconds: UInt64 = 1_000_000_000
        public var certifiedDataBytes = 32
        /// 0 = none, as the specification says; the replica's code has 3 GiB.
        public var defaultWasmMemoryLimit: UInt64 = 0
        public var defaultFreezingThresholdSeconds: UInt64 = 2_592_000

        public init() {}
    }

    /// Cycles of a 13-node subnet; `nodes` scales them.
    public struct Prices: Sendable {
        public var nodes: UInt64 = 13
        public var canisterCreation: UInt64 = 500_000_000_000
        public var computePercentSecond: UInt64 = 10_000_000
        public var updateBase: UInt64 = 5_000_000
        public var tenInstructions32: UInt64 = 10
        public var tenInstructions64: UInt64 = 20
        public var call: UInt64 = 260_000
        public var callByte: UInt64 = 1_000
        public var ingress: UInt64 = 1_200_000
        public var ingressByte: UInt64 = 2_000
        /// 127,000 in the documents of August 2026; a newer quotation of the code has 317,500.
        public var storageGiBSecond: UInt64 = 127_000
        /// 0 in the documents; a newer quotation of the code has 10,000 for a canister that uses memory.
        public var basePerSecond: UInt64 = 0
        public var thresholdSignature: UInt64 = 10_000_000_000
        public var provisionalCycles: UInt64 = 100_000_000_000_000
        /// Charge for compiling one operator on install.
        public var compileInstructions: UInt64 = 6_000
        /// The compile charge counts operators after the replica's own rewriting, which cannot be matched exactly; off by default.
        public var chargeCompilation = false

        public init() {}

        /// Price for this number of nodes.
        public func scaled(_ cycles: UInt128) -> UInt128 { cycles * UInt128(nodes) / 13 }

        /// Price of an execution.
        public func execution(instructions: UInt64, wide: Bool) -> UInt128 {
            scaled(UInt128(updateBase) + UInt128(wide ? tenInstructions64 : tenInstructions32) * UInt128(instructions) / 10)
        }
    }
}
