import Foundation
import IC0
import InternetComputer

/// One canister that runs messages of a single caller, its controller, one after the other, and is kept nowhere.
///
/// For measuring what a sequence of calls costs: no ingress, no rounds, no certificates; the clock stands still.
public final class MeteredCanister {
    /// Instructions of the start function and of `canister_init`.
    public let installInstructions: UInt64
    private let configuration: SubnetConfiguration
    private let caller: Principal
    private let prepared: PreparedModule
    private let compiled: CompiledModule
    private let memory: CanisterMemory
    private let canister: CanisterEnvironment
    private var globals: [GlobalValue]?

    /// Installs `module`.
    ///
    /// Throws `WasmError` for a module that cannot be installed and `Rejection` when its start function or
    /// `canister_init` fails.
    public convenience init(
        _ module: [UInt8], initArgument: [UInt8] = [], caller: Principal = .anonymous,
        configuration: SubnetConfiguration
    ) throws {
        try self.init(
            module, initArgument: initArgument, caller: caller, initializes: true, configuration: configuration,
            engine: try Engine(cacheDirectory: nil))
    }

    init(
        _ module: [UInt8], initArgument: [UInt8], caller: Principal, initializes: Bool,
        configuration: SubnetConfiguration, engine: Engine
    ) throws {
        self.configuration = configuration
        self.caller = caller
        prepared = try PreparedModule.prepare(module, limits: configuration.limits, engine: engine)
        compiled = try engine.compile(prepared)
        memory = CanisterMemory(
            heap: try CanisterMemory.freshHeap(compiled, path: nil), stable: try MemoryImage(path: nil),
            module: compiled)
        var environment = CanisterEnvironment(
            id: .canister(configuration.firstCanister), subnetID: configuration.subnetID, configuration: configuration)
        environment.controllers = [caller]
        environment.balance = UInt128(configuration.prices.provisionalCycles)
        environment.time = configuration.clock()
        environment.log.capacity = configuration.limits.logBytes
        canister = environment
        var entries: [EntryPoint] = prepared.instrumented.hasStart ? [.export(Instrumentation.startName)] : []
        if prepared.hooks.contains("canister_init"), initializes { entries.append(.export("canister_init")) }
        let installed = try Self.execute(
            entries, Self.installation(initArgument, caller, configuration.limits), globals: nil, canister, compiled,
            memory, configuration)
        if let failure = installed.outcome.failure { throw failure.rejection(canister: environment.id) }
        try memory.commit(nil, change: Self.change(installed))
        globals = installed.outcome.globals
        installInstructions = installed.outcome.instructions
    }

    /// Runs an exported function once; what an update that succeeds changed stays.
    public func run(
        _ export: String, argument: [UInt8] = [], mode: Meter.Mode, cyclesAvailable: UInt128 = 0
    ) throws -> Meter.Report {
        let executed = try Self.execute(
            [.export(export)], environment(mode, export, argument, caller, cyclesAvailable), globals: globals, canister,
            compiled, memory, configuration)
        let outcome = executed.outcome
        if mode == .update, outcome.failure == nil {
            try memory.commit(nil, change: Self.change(executed))
            globals = outcome.globals
        }
        var report = Meter.Report(
            instructions: outcome.instructions, slices: outcome.slices, dirtyPages: outcome.dirtyPages,
            cycles: mode == .update
                ? configuration.prices.execution(instructions: outcome.instructions, wide: prepared.instrumented.isWide) : 0)
        report.installInstructions = installInstructions
        switch QueryEvaluation.result(outcome.failure, outcome.response, canister.id) {
        case .success(let bytes): report.reply = bytes
        case .failure(let rejection): report.rejection = rejection
        }
        return report
    }

    private typealias Executed = (outcome: ExecutionOutcome, view: CanisterMemory.View)

    private static func execute(
        _ entries: [EntryPoint], _ message: MessageEnvironment, globals: [GlobalValue]?, _ canister: CanisterEnvironment,
        _ compiled: CompiledModule, _ memory: CanisterMemory, _ configuration: SubnetConfiguration
    ) throws -> Executed {
        guard let view = try memory.view(limits: configuration.limits, stablePages: message.stablePageLimit) else {
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

    private static func change(_ executed: Executed) -> Step.MemoryChange {
        Step.MemoryChange(heap: executed.outcome.heap, stable: executed.outcome.stable, view: executed.view)
    }

    private static func installation(
        _ argument: [UInt8], _ caller: Principal, _ limits: SubnetConfiguration.Limits
    ) -> MessageEnvironment {
        var environment = MessageEnvironment(
            context: .initialization, instructionLimit: limits.installInstructions,
            sliceLimit: limits.sliceInstructions, stablePageLimit: limits.stableInstallPages)
        environment.caller = caller.bytes
        environment.argument = argument
        return environment
    }

    /// The context in which an export runs: hooks have their own, methods that of the mode.
    private static func context(_ mode: Meter.Mode, _ export: String) -> SystemContexts {
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
        _ mode: Meter.Mode, _ export: String, _ argument: [UInt8], _ caller: Principal, _ cycles: UInt128
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
