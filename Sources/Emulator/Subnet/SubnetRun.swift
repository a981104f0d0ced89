import IC0
import InternetComputer

extension Subnet {
    /// An execution's outcome and the view it ran on, which holds its changed memories.
    struct Run {
        var outcome: ExecutionOutcome
        var view: CanisterMemory.View?
    }

    /// What the system API may show of a canister.
    func environment(_ state: CanisterState, time: UInt64, balance: UInt128) -> CanisterEnvironment {
        var environment = CanisterEnvironment(
            id: state.id, subnetID: configuration.subnetID, configuration: configuration)
        environment.controllers = state.settings.controllers
        environment.status = Int32(state.status.rawValue)
        environment.version = state.version
        environment.time = time
        environment.timer = state.timer
        environment.balance = balance
        environment.freezingLimit = state.freezingLimit(configuration.prices)
        environment.variables = state.settings.variables
        environment.rootKey = configuration.certifier?.rootKey ?? []
        environment.wasmMemoryLimit = state.settings.wasmMemoryLimit
        environment.log = state.log
        for callback in state.callbacks.values { environment.openCalls[callback.callee.bytes, default: 0] += 1 }
        return environment
    }

    /// Runs entry points on a fresh view of the canister's memories.
    func execute(
        _ state: CanisterState, _ memory: CanisterMemory, _ message: MessageEnvironment, _ entries: [EntryPoint],
        time: UInt64, balance: UInt128
    ) async -> Run {
        let view: CanisterMemory.View
        do throws(EngineError) {
            guard let opened = try memory.view(limits: configuration.limits, stablePages: message.stablePageLimit) else {
                return failed(.engine("the canister has no code"), state)
            }
            view = opened
        } catch {
            return failed(.engine(error.description), state)
        }
        return await execute(state, view, message, entries, globals: view.globals, time: time, balance: balance)
    }

    /// Runs entry points on a given view; `globals` is nil for a module that was just installed.
    func execute(
        _ state: CanisterState, _ view: CanisterMemory.View, _ message: MessageEnvironment, _ entries: [EntryPoint],
        globals: [GlobalValue]?, time: UInt64, balance: UInt128
    ) async -> Run {
        let execution = Execution(
            module: view.module, heap: view.heap, stable: view.stable,
            canister: environment(state, time: time, balance: balance), message: message)
        var failure: ExecutionFailure?
        do throws(ExecutionFailure) {
            try execution.instantiateSliced(globals: globals)
            for entry in entries {
                // The start function runs in its own context, then the message proper.
                if entry == .export(Instrumentation.startName) { execution.message.context = .start } else {
                    execution.message.context = message.context
                }
                try await execution.run(entry) {
                    await rounds?.spend(configuration.limits.sliceInstructions) { lock.withLock { closed } }
                    await Task.yield()
                    return lock.withLock { !closed }
                }
            }
        } catch {
            failure = error
        }
        return Run(outcome: execution.finish(failure: failure), view: view)
    }

    func failed(_ failure: ExecutionFailure, _ state: CanisterState) -> Run {
        Run(outcome: ExecutionOutcome(failure: failure, log: state.log), view: nil)
    }
}
