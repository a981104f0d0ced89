import Candid
import Foundation
import IC0
import InternetComputer

/// Installs, reinstalls or upgrades code: all or nothing.
struct Installer {
    enum Mode: Equatable {
        case install, reinstall
        case upgrade(skipPreUpgrade: Bool, keepMemory: Bool?)

        init(_ value: CandidValue?) {
            if value?.payload(of: "reinstall") != nil {
                self = .reinstall
            } else if let options = value?.payload(of: "upgrade") {
                let skip = options.unwrapped?["skip_pre_upgrade"]?.unwrapped?.asBool ?? false
                let persistence = options.unwrapped?["wasm_memory_persistence"]?.unwrapped
                self = .upgrade(
                    skipPreUpgrade: skip, keepMemory: persistence.map { $0.payload(of: "keep") != nil })
            } else {
                self = .install
            }
        }

        var number: UInt8 {
            switch self {
            case .install: 0
            case .reinstall: 1
            case .upgrade: 2
            }
        }
        var isUpgrade: Bool { number == 2 }
    }
    struct Request {
        var bytes: [UInt8]
        var argument: [UInt8]
        var mode: Mode
        var caller: Principal
    }

    let subnet: Subnet
    let canister: Canister

    private var limits: SubnetConfiguration.Limits { subnet.configuration.limits }

    func install(_ request: Request, _ step: inout Step) async throws(Rejection) {
        let id = step.state.id
        switch request.mode {
        case .install where step.state.moduleHash != nil:
            throw Rejection(
                .canisterNonEmpty,
                "Canister \(id.text) cannot be installed because the canister is not empty. Try installing with mode='reinstall' instead.")
        case .upgrade where step.state.moduleHash == nil: throw Subnet.noModule(id)
        default: break
        }
        let module: CompiledModule
        do {
            let prepared = try PreparedModule.prepare(request.bytes, limits: limits, engine: subnet.engine)
            module = try subnet.engine.compile(prepared)
        } catch let error as WasmError {
            throw Rejection(
                .canisterInvalidWasm, "Error from Canister \(id.text): Canister's Wasm module is not valid: \(error)")
        } catch {
            throw Rejection(.canisterWasmEngineError, "\(error)")
        }
        let keepsHeap = try keepsHeap(request.mode, module)
        try await run(request, module, keepsHeap: keepsHeap, &step)
        step.state.moduleHash = module.prepared.hash
        step.state.moduleBytes = UInt64(request.bytes.count)
        step.store.modules.append((module.prepared.hash, request.bytes))
        step.state.installed = step.time
        step.state.version += 1
    }

    /// Whether an upgrade keeps the heap (orthogonal persistence).
    private func keepsHeap(_ mode: Mode, _ new: CompiledModule) throws(Rejection) -> Bool {
        guard case .upgrade(_, let keep) = mode else { return false }
        let section = "enhanced-orthogonal-persistence"
        func has(_ module: CompiledModule?) -> Bool {
            module?.prepared.customSections.contains { $0.name == section && !$0.isPublic } ?? false
        }
        if has(canister.memory.currentModule), keep == nil {
            throw Rejection(
                .canisterContractViolation,
                "Missing upgrade option: Enhanced orthogonal persistence requires the `wasm_memory_persistence` upgrade option.")
        }
        if keep == true, !has(new) {
            throw Rejection(
                .canisterContractViolation,
                "Invalid upgrade option: The `wasm_memory_persistence: opt Keep` upgrade option requires that the new canister module supports enhanced orthogonal persistence.")
        }
        return keep == true
    }

    /// pre_upgrade on the old code, then start and init or post_upgrade on the new.
    private func run(
        _ request: Request, _ module: CompiledModule, keepsHeap: Bool, _ step: inout Step
    ) async throws(Rejection) {
        let id = step.state.id
        let prices = subnet.configuration.prices
        let wide = module.prepared.instrumented.isWide
        var budget = limits.installInstructions
        let prepaid = prices.execution(instructions: budget, wide: wide)
        guard step.state.liquidBalance(prices) >= min(prepaid, prices.execution(instructions: limits.updateInstructions, wide: wide)) else {
            throw Subnet.outOfCycles(id, needs: prepaid)
        }
        var used: UInt64 = 0
        let sizes = (step.state.heapBytes, step.state.stableBytes)
        if prices.chargeCompilation {
            used = prices.compileInstructions * UInt64(module.prepared.instrumented.operators)
            budget -= min(used, budget - 1)
        }
        func charge(_ step: inout Step) {
            step.state.consume(prices.execution(instructions: used, wide: wide), for: "instructions")
            step.instructions += used
        }
        func fail(_ failure: ExecutionFailure, _ log: CanisterLog, _ step: inout Step) -> Rejection {
            step.state.log = log
            if let text = failure.logText { subnet.appendLog(text, &step) }
            charge(&step)
            return failure.rejection(canister: id)
        }
        do {
            var view: CanisterMemory.View?
            if case .upgrade(let skip, _) = request.mode {
                view = try canister.memory.view(limits: limits, stablePages: limits.stableInstallPages)
                if !skip, let old = view, old.module.prepared.hooks.contains("canister_pre_upgrade") {
                    let run = await subnet.execute(
                        step.state, old, environment(.preUpgrade, request, budget), [.export("canister_pre_upgrade")],
                        globals: old.globals, time: step.time, balance: step.state.balance)
                    used += run.outcome.instructions
                    budget -= min(run.outcome.instructions, budget - 1)
                    if let failure = run.outcome.failure { throw fail(failure, run.outcome.log, &step) }
                    step.state.log = run.outcome.log
                    step.state.balance = run.outcome.balance
                    if let data = run.outcome.certifiedData { step.state.certifiedData = data }
                }
            } else {
                step.state.certifiedData = []
                if request.mode == .reinstall { step.state.log.clear() }
            }
            step.state.timer = 0
            let (fresh, heap, stable) = try prepareMemories(module, request.mode, keepsHeap, old: view, &step)
            var entries: [EntryPoint] = []
            if module.prepared.instrumented.hasStart { entries.append(.export(Instrumentation.startName)) }
            let hook = request.mode.isUpgrade ? "canister_post_upgrade" : "canister_init"
            if module.prepared.hooks.contains(hook) { entries.append(.export(hook)) }
            var message = environment(.initialization, request, budget)
            message.argument = request.argument
            var current = step.state
            current.version += 1
            let run = await subnet.execute(
                current, fresh, message, entries, globals: nil, time: step.time, balance: step.state.balance)
            used += run.outcome.instructions
            if let failure = run.outcome.failure { throw fail(failure, run.outcome.log, &step) }
            step.state.log = run.outcome.log
            step.state.balance = run.outcome.balance
            step.state.globals = run.outcome.globals
            if let data = run.outcome.certifiedData { step.state.certifiedData = data }
            if let timer = run.outcome.timer { step.state.timer = timer }
            step.state.heapBytes = UInt64(run.outcome.heap.size)
            step.installation = Step.Installation(module: module, heap: heap, stable: stable)
            let stableDelta = run.outcome.stable ?? view?.stable.delta()
            if let stableDelta { step.state.stableBytes = UInt64(stableDelta.size) } else if stable != nil {
                step.state.stableBytes = 0
            }
            let cost = prices.execution(instructions: used, wide: wide)
            var before = step.state
            (before.heapBytes, before.stableBytes) = sizes
            do throws(ExecutionFailure) {
                let reserved = try subnet.reservation(
                    before, heapBytes: step.state.heapBytes, stableBytes: step.state.stableBytes,
                    balance: step.state.balance - min(cost, step.state.balance))
                step.state.balance -= reserved
                step.state.reserved += reserved
            } catch { throw fail(error, run.outcome.log, &step) }
            step.change = Step.MemoryChange(heap: run.outcome.heap, stable: stableDelta, view: fresh)
            charge(&step)
            subnet.addDebit(
                &step.state, instructions: used, heapBytes: UInt64(run.outcome.heap.pages * MemoryImage.pageBytes),
                step.time)
        } catch let rejection as Rejection {
            throw rejection
        } catch {
            throw Rejection(.canisterWasmEngineError, "Error from Canister \(id.text): \(error)")
        }
    }

    /// The view that the new code starts on. An upgrade goes on with the stable memory that pre_upgrade left.
    private func prepareMemories(
        _ module: CompiledModule, _ mode: Mode, _ keepsHeap: Bool, old: CanisterMemory.View?, _ step: inout Step
    ) throws -> (view: CanisterMemory.View, heap: MemoryImage, stable: MemoryImage?) {
        let id = step.state.id
        let lock = NSRecursiveLock()
        let heap: MemoryImage
        if keepsHeap {
            // The old heap goes on under the new code; pre_upgrade's changes to it are part of the change.
            heap = canister.memory.heapImage
        } else {
            step.state.heapGeneration += 1
            heap = try CanisterMemory.freshHeap(
                module, path: subnet.store?.imagePath(id, stable: false, generation: step.state.heapGeneration))
        }
        if mode.isUpgrade, let old {
            let info = module.prepared.instrumented
            var mapping: PrivateMapping? = old.heap
            if !keepsHeap {
                mapping = try info.initialPages.map { pages in
                    try PrivateMapping(
                        image: heap, minimum: Int(pages << 16), reserve: Engine.reservedBytes + 2 * Engine.guardBytes,
                        onRelease: { mapping in lock.withLock { heap.unregister(mapping) } })
                }
            }
            return (
                CanisterMemory.View(module: module, heap: mapping, stable: old.stable, globals: []), heap, nil
            )
        }
        step.state.stableGeneration += 1
        let stable = try MemoryImage(
            path: subnet.store?.imagePath(id, stable: true, generation: step.state.stableGeneration))
        let view = try CanisterMemory.view(
            module: module, heap: heap, stable: stable, globals: [], limits: limits,
            stablePages: limits.stableInstallPages,
            release: { mapping, image in lock.withLock { image.unregister(mapping) } }, lock: lock)
        return (view, heap, stable)
    }

    private func environment(
        _ context: SystemContexts, _ request: Request, _ budget: UInt64
    ) -> MessageEnvironment {
        var environment = MessageEnvironment(
            context: context, instructionLimit: budget, sliceLimit: limits.sliceInstructions,
            stablePageLimit: limits.stableInstallPages)
        environment.caller = request.caller.bytes
        return environment
    }
}
