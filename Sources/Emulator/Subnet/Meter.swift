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
    }

    private let configuration: SubnetConfiguration
    private let engine: Engine

    public init(configuration: SubnetConfiguration) throws {
        self.configuration = configuration
        engine = try Engine(cacheDirectory: nil)
    }

    /// Installs `module` without running its init and runs the exported function `export` once.
    public func measure(
        _ module: [UInt8], export: String, argument: [UInt8] = [], caller: Principal = .anonymous,
        mode: Mode = .update, cyclesAvailable: UInt128 = 0
    ) throws -> Report {
        let prepared = try PreparedModule.prepare(module, limits: configuration.limits, engine: engine)
        let compiled = try engine.compile(prepared)
        let memory = CanisterMemory(
            heap: try CanisterMemory.freshHeap(compiled, path: nil), stable: try MemoryImage(path: nil),
            module: compiled)
        let limits = configuration.limits
        guard let view = try memory.view(limits: limits, stablePages: limits.stableMessagePages) else {
            throw EngineError.engine("no code")
        }
        var canister = CanisterEnvironment(
            id: .canister(configuration.firstCanister), subnetID: configuration.subnetID, configuration: configuration)
        canister.balance = UInt128(configuration.prices.provisionalCycles)
        canister.time = configuration.clock()
        canister.log.capacity = limits.logBytes
        let execution = Execution(
            module: compiled, heap: view.heap, stable: view.stable, canister: canister,
            message: environment(mode, argument, caller, cyclesAvailable))
        var failure: ExecutionFailure?
        do throws(ExecutionFailure) {
            try execution.instantiate(globals: nil)
            if prepared.instrumented.hasStart {
                let context = execution.message.context
                execution.message.context = .start
                try execution.run(.export(Instrumentation.startName))
                execution.message.context = context
            }
            try execution.run(.export(export))
        } catch {
            failure = error
        }
        let outcome = execution.finish(failure: failure)
        var report = Report(
            instructions: outcome.instructions, slices: outcome.slices, dirtyPages: outcome.dirtyPages,
            cycles: mode == .update
                ? configuration.prices.execution(instructions: outcome.instructions, wide: prepared.instrumented.isWide) : 0)
        switch QueryEvaluation.result(outcome, canister.id) {
        case .success(let bytes): report.reply = bytes
        case .failure(let rejection): report.rejection = rejection
        }
        return report
    }

    private func environment(
        _ mode: Mode, _ argument: [UInt8], _ caller: Principal, _ cycles: UInt128
    ) -> MessageEnvironment {
        let limits = configuration.limits
        var environment: MessageEnvironment
        switch mode {
        case .update:
            environment = MessageEnvironment(
                context: .update, instructionLimit: limits.updateInstructions, sliceLimit: limits.sliceInstructions,
                stablePageLimit: limits.stableMessagePages)
            environment.available = cycles
        case .query:
            environment = MessageEnvironment(
                context: .query, instructionLimit: limits.queryInstructions, sliceLimit: limits.queryInstructions,
                stablePageLimit: limits.stableQueryPages)
        case .inspect:
            environment = MessageEnvironment(
                context: .inspectMessage, instructionLimit: limits.inspectInstructions,
                sliceLimit: limits.inspectInstructions, stablePageLimit: limits.stableQueryPages)
        }
        environment.replicated = mode == .update
        environment.chargesDirtyPages = mode == .update
        environment.mayRespond = mode != .inspect
        environment.caller = caller.bytes
        environment.argument = argument
        return environment
    }
}
