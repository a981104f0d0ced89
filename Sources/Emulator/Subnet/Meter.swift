import Foundation
import IC0
import InternetComputer

/// Measures what one method of a module costs, in a throw-away canister that nothing is kept of.
public struct Meter {
    public enum Mode: String, Sendable, CaseIterable {
        case update, query, inspect
    }
    /// What one execution did.
    public struct Report: Sendable, Equatable {
        public var instructions: UInt64
        public var slices: Int
        public var dirtyPages: Int
        /// Cycles an update of this many instructions costs; 0 for queries.
        public var cycles: UInt128
        public var reply: [UInt8]?
        public var rejection: Rejection?
        /// Instructions of the start function and of `canister_init` before it.
        public var installInstructions: UInt64 = 0
    }

    private let configuration: SubnetConfiguration
    private let engine: Engine

    public init(configuration: SubnetConfiguration) throws {
        self.configuration = configuration
        engine = try Engine(cacheDirectory: nil)
    }

    /// Installs `module` with `initArgument`, then runs the exported function `export` once.
    ///
    /// Throws `WasmError` for a module that cannot be installed and `Rejection` when its start function or
    /// `canister_init` fails.
    public func measure(
        _ module: [UInt8], export: String, argument: [UInt8] = [], initArgument: [UInt8] = [],
        caller: Principal = .anonymous, mode: Mode = .update, cyclesAvailable: UInt128 = 0
    ) throws -> Report {
        let prepared = try PreparedModule.prepare(module, limits: configuration.limits, engine: engine)
        let compiled = try engine.compile(prepared)
        let memory = CanisterMemory(
            heap: try CanisterMemory.freshHeap(compiled, path: nil), stable: try MemoryImage(path: nil),
            module: compiled)
        let limits = configuration.limits
        var canister = CanisterEnvironment(
            id: .canister(configuration.firstCanister), subnetID: configuration.subnetID, configuration: configuration)
        canister.balance = UInt128(configuration.prices.provisionalCycles)
        canister.time = configuration.clock()
        canister.log.capacity = limits.logBytes

        func run(
            _ entries: [EntryPoint], _ message: MessageEnvironment, globals: [GlobalValue]?
        ) throws -> (outcome: ExecutionOutcome, view: CanisterMemory.View) {
            guard let view = try memory.view(limits: limits, stablePages: message.stablePageLimit) else {
                throw EngineError.engine("no code")
            }
            let execution = Execution(
                module: compiled, heap: view.heap, stable: view.stable, canister: canister, message: message)
            var failure: ExecutionFailure?
            do throws(ExecutionFailure) {
                try execution.instantiate(globals: globals)
                for entry in entries {
                    execution.message.context = entry == .export(Instrumentation.startName) ? .start : message.context
                    try execution.run(entry)
                }
            } catch {
                failure = error
            }
            return (execution.finish(failure: failure), view)
        }

        var entries: [EntryPoint] = prepared.instrumented.hasStart ? [.export(Instrumentation.startName)] : []
        if prepared.hooks.contains("canister_init"), export != "canister_init" { entries.append(.export("canister_init")) }
        let installed = try run(entries, installation(initArgument, caller), globals: nil)
        if let failure = installed.outcome.failure { throw failure.rejection(canister: canister.id) }
        try memory.commit(
            nil,
            change: Step.MemoryChange(
                heap: installed.outcome.heap, stable: installed.outcome.stable, view: installed.view))

        let outcome = try run(
            [.export(export)], environment(mode, export, argument, caller, cyclesAvailable),
            globals: installed.outcome.globals
        ).outcome
        var report = Report(
            instructions: outcome.instructions, slices: outcome.slices, dirtyPages: outcome.dirtyPages,
            cycles: mode == .update
                ? configuration.prices.execution(instructions: outcome.instructions, wide: prepared.instrumented.isWide) : 0)
        report.installInstructions = installed.outcome.instructions
        switch QueryEvaluation.result(outcome.failure, outcome.response, canister.id) {
        case .success(let bytes): report.reply = bytes
        case .failure(let rejection): report.rejection = rejection
        }
        return report
    }

    /// Size of a plain module after the instrumentation pass: for measuring the pass.
    package static func instrument(_ module: [UInt8]) throws(WasmError) -> Int {
        try module.withUnsafeBufferPointer { (bytes) throws(WasmError) in
            try Instrumentation.apply(try WasmModule(bytes), bytes, limits: SubnetConfiguration.Limits()).bytes.count
        }
    }

    private func installation(_ argument: [UInt8], _ caller: Principal) -> MessageEnvironment {
        let limits = configuration.limits
        var environment = MessageEnvironment(
            context: .initialization, instructionLimit: limits.installInstructions,
            sliceLimit: limits.sliceInstructions, stablePageLimit: limits.stableInstallPages)
        environment.caller = caller.bytes
        environment.argument = argument
        return environment
    }

    /// The context in which an export runs: hooks have their own, methods that of the mode.
    private static func context(_ mode: Mode, _ export: String) -> SystemContexts {
        switch export {
        case "canister_init", "canister_post_upgrade": return .initialization
        case "canister_pre_upgrade": return .preUpgrade
        case "canister_heartbeat", "canister_global_timer", "canister_on_low_wasm_memory": return .task
        case "canister_inspect_message": return .inspectMessage
        default: break
        }
        switch mode {
        case .inspect: return .inspectMessage
        case .query: return export.hasPrefix("canister_composite_query ") ? .compositeQuery : .query
        case .update: return export.hasPrefix("canister_query ") ? .replicatedQuery : .update
        }
    }

    private func environment(
        _ mode: Mode, _ export: String, _ argument: [UInt8], _ caller: Principal, _ cycles: UInt128
    ) -> MessageEnvironment {
        let limits = configuration.limits
        let context = Self.context(mode, export)
        var environment: MessageEnvironment
        switch mode {
        case .update:
            environment = MessageEnvironment(
                context: context, instructionLimit: limits.updateInstructions, sliceLimit: limits.sliceInstructions,
                stablePageLimit: limits.stableMessagePages)
            environment.available = cycles
        case .query:
            environment = MessageEnvironment(
                context: context, instructionLimit: limits.queryInstructions, sliceLimit: limits.queryInstructions,
                stablePageLimit: limits.stableQueryPages)
        case .inspect:
            environment = MessageEnvironment(
                context: context, instructionLimit: limits.inspectInstructions,
                sliceLimit: limits.inspectInstructions, stablePageLimit: limits.stableQueryPages)
        }
        environment.replicated = mode == .update
        environment.chargesDirtyPages = mode == .update
        environment.mayRespond = [.update, .query, .replicatedQuery, .compositeQuery].contains(context)
        environment.caller = caller.bytes
        environment.argument = argument
        return environment
    }
}
