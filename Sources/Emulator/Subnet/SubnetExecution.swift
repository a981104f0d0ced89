import IC0
import InternetComputer

/// Processing of one message of one canister: from the queue to a step that can be committed.
extension Subnet {
    func process(_ message: QueuedMessage, _ canister: Canister, _ initial: Step) async -> Step {
        var step = initial
        if step.persists {
            chargeIdle(&step)
            uninstallIfPenniless(&step)
        }
        switch message {
        case .request(let request): await handle(request, canister, &step)
        case .response(let callback, let response): await handle(response, callback, canister, &step)
        case .management(let request): await manage(request, canister, &step)
        case .heartbeat: await runTask("canister_heartbeat", canister, &step)
        case .lowMemory:
            step.state.lowMemoryHook = .executed
            await runTask("canister_on_low_wasm_memory", canister, &step)
        case .timer:
            if step.state.timer != 0, step.state.timer <= step.time {
                step.state.timer = 0
                await runTask("canister_global_timer", canister, &step)
            }
        }
        finishStopping(&step)
        if step.persists {
            step.state.updateLowMemoryHook(configuration.limits)
            step.state.queryStatistics.add(canister.memory.takeStatistics())
        }
        return step
    }

    // MARK: Requests

    private func handle(_ request: CallRequest, _ canister: Canister, _ step: inout Step) async {
        let id = step.state.id
        let prices = configuration.prices
        var refusal = Self.unavailable(step.state)
        if request.deadline != 0, request.deadline < step.time {
            refusal = Rejection(.deadlineExpired, "The call's deadline passed before it was processed.")
        }
        if case .canister = request.origin, request.cycles < step.state.settings.minimumIncomingCycles {
            refusal = refusal ?? Rejection(
                .insufficientCyclesInCall,
                "Canister \(id.text) needs at least \(step.state.settings.minimumIncomingCycles) cycles with a call")
        }
        if let refusal {
            step.respond(to: request.origin, .failure(refusal), refund: request.cycles)
            return
        }
        guard step.state.moduleHash != nil, let module = canister.memory.currentModule else {
            step.respond(to: request.origin, .failure(Self.noModule(id)), refund: request.cycles)
            return
        }
        guard let kind = module.prepared.methods[request.method], kind != .compositeQuery else {
            let rejection =
                module.prepared.methods[request.method] == nil
                ? ExecutionFailure.methodNotFound(kind: "update", name: request.method).rejection(canister: id)
                : Rejection(
                    .compositeQueryCalledInReplicatedMode,
                    "Composite query '\(request.method)' cannot be called in replicated mode.")
            step.respond(to: request.origin, .failure(rejection), refund: request.cycles)
            return
        }
        step.state.consume(request.ingressCost, for: "ingress")
        let wide = module.prepared.instrumented.isWide
        let prepaid = prices.execution(instructions: configuration.limits.updateInstructions, wide: wide)
        guard step.state.liquidBalance(prices) >= prepaid else {
            step.respond(to: request.origin, .failure(Self.outOfCycles(id, needs: prepaid)), refund: request.cycles)
            return
        }
        var context = CallContext(
            id: step.state.newID(), origin: request.origin, caller: request.sender, available: request.cycles,
            deadline: request.deadline, callerInfo: request.callerInfo)
        let isQuery = kind == .query
        var environment = updateEnvironment(isQuery ? .replicatedQuery : .update)
        environment.caller = request.sender.bytes
        environment.callerInfo = request.callerInfo
        environment.argument = request.argument
        environment.available = request.cycles
        environment.deadline = request.deadline
        environment.mayRespond = true
        let name = (isQuery ? "canister_query " : "canister_update ") + request.method
        var run = await execute(
            step.state, canister.memory, environment, [.export(name)], time: step.time,
            balance: step.state.balance - prepaid)
        let cost = prices.execution(instructions: run.outcome.instructions, wide: wide)
        settle(&run, &step, balance: run.outcome.balance + prepaid, cost: cost, keepsMemory: !isQuery)
        context.available -= run.outcome.failure == nil ? min(run.outcome.accepted, context.available) : 0
        close(&context, run.outcome, &step)
    }

    func updateEnvironment(_ context: SystemContexts) -> MessageEnvironment {
        MessageEnvironment(
            context: context, instructionLimit: configuration.limits.updateInstructions,
            sliceLimit: configuration.limits.sliceInstructions, stablePageLimit: configuration.limits.stableMessagePages)
    }

    /// Takes over what a finished message did, and charges it.
    private func settle(
        _ run: inout Run, _ step: inout Step, balance: UInt128, cost: UInt128, keepsMemory: Bool
    ) {
        var reserved: UInt128 = 0
        if keepsMemory, run.outcome.failure == nil {
            let heap = max(step.state.heapBytes, UInt64(run.outcome.heap.size))
            let stable = run.outcome.stable.map { UInt64($0.size) } ?? step.state.stableBytes
            do throws(ExecutionFailure) {
                reserved = try reservation(step.state, heapBytes: heap, stableBytes: stable, balance: balance)
            } catch {
                run.outcome.failure = error
            }
        }
        let outcome = run.outcome
        step.state.log = outcome.log
        if let text = outcome.failure?.logText { appendLog(text, &step) }
        if outcome.failure == nil {
            if outcome.burned > 0 { step.state.consumed["burned", default: 0] += outcome.burned }
            step.state.balance = balance - reserved
            step.state.reserved += reserved
            if keepsMemory { adopt(run, &step) }
        }
        step.state.consume(cost, for: "instructions")
    }

    func appendLog(_ text: String, _ step: inout Step) {
        step.state.log.append(Array(text.utf8), time: step.time)
        configuration.onDebugPrint?(step.state.id, text)
    }

    /// Memory, globals, certified data, timer and version of a successful message.
    func adopt(_ run: Run, _ step: inout Step) {
        let outcome = run.outcome
        guard let view = run.view else { return }
        step.state.globals = outcome.globals
        step.state.heapBytes = max(step.state.heapBytes, UInt64(outcome.heap.size))
        if let stable = outcome.stable { step.state.stableBytes = UInt64(stable.size) }
        step.change = Step.MemoryChange(heap: outcome.heap, stable: outcome.stable, view: view)
        addDebit(
            &step.state, instructions: 0, heapBytes: UInt64(outcome.heap.pages * MemoryImage.pageBytes), step.time)
        if let data = outcome.certifiedData { step.state.certifiedData = data }
        if let timer = outcome.timer { step.state.timer = timer }
        step.state.version += 1
    }

    /// After a message of a call context: sends its calls, answers it when it is over, or keeps it open.
    private func close(_ context: inout CallContext, _ outcome: ExecutionOutcome, _ step: inout Step) {
        context.instructions += outcome.instructions
        step.instructions += outcome.instructions
        if let failure = outcome.failure {
            logger.debug("execution failed", metadata: [
                "canister": "\(step.state.id)", "reason": "\(failure.rejection(canister: step.state.id))",
            ])
        }
        if outcome.failure == nil {
            send(outcome.calls, &context, &step)
            if let response = outcome.response, !context.responded {
                context.responded = true
                let result: Result<[UInt8], Rejection> =
                    switch response {
                    case .reply(let bytes): .success(bytes)
                    case .reject(let text):
                        .failure(
                            Rejection(reject: .canisterReject, error: .canisterRejectedMessage, message: text))
                    }
                step.respond(to: context.origin, result, refund: context.available)
                context.available = 0
            }
        }
        if context.openCallbacks == 0 {
            if !context.responded {
                let rejection =
                    outcome.failure?.rejection(canister: step.state.id)
                    ?? Rejection(
                        .canisterDidNotReply,
                        "Error from Canister \(step.state.id.text): Canister did not reply to the call")
                step.respond(to: context.origin, .failure(rejection), refund: context.available)
            }
            step.state.contexts[context.id] = nil
        } else {
            step.state.contexts[context.id] = context
        }
    }

    private func send(_ calls: [OutgoingCall], _ context: inout CallContext, _ step: inout Step) {
        for call in calls {
            let callee = (try? Principal(bytes: call.callee)) ?? .managementCanister
            let deadline = call.timeoutSeconds.map { step.time + UInt64($0) * 1_000_000_000 } ?? 0
            let callback = step.state.newID()
            step.state.callbacks[callback] = Callback(
                context: context.id, callee: callee, onReply: call.onReply, onReject: call.onReject,
                onCleanup: call.onCleanup, reserved: call.reserved, deadline: deadline)
            context.openCallbacks += 1
            let prices = configuration.prices
            let bytes = UInt128(call.argument.count + call.method.count)
            step.state.consumed["request_and_response_transmission", default: 0] +=
                prices.scaled(UInt128(prices.call)) + prices.scaled(UInt128(prices.callByte)) * bytes
            let request = CallRequest(
                origin: .canister(step.state.id, callback: callback), sender: step.state.id,
                method: String(decoding: call.method, as: UTF8.self), argument: call.argument, cycles: call.cycles,
                deadline: deadline)
            deliver(request, to: callee, &step)
        }
    }

    /// Routes a call to a canister's queue, to the management canister, or straight back with a rejection.
    private func deliver(_ request: CallRequest, to callee: Principal, _ step: inout Step) {
        var target = callee
        var message = QueuedMessage.request(request)
        do throws(Rejection) {
            if callee == .managementCanister || callee == configuration.subnetID {
                message = .management(request)
                target = try ManagementMethod.route(request, isIngress: false) ?? .managementCanister
            }
            guard target == .managementCanister || target == step.state.id || hasCanister(target) else {
                throw Self.notFound(target)
            }
            step.sends.append((target, message))
        } catch {
            step.respond(to: request.origin, .failure(error), refund: request.cycles)
        }
    }

    // MARK: Responses

    private func handle(_ response: CallResponse, _ id: UInt64, _ canister: Canister, _ step: inout Step) async {
        // Only an expired best-effort call has no callback any more: its refund is lost, as the specification allows.
        guard let callback = step.state.callbacks.removeValue(forKey: id) else { return }
        step.state.add(response.refund)
        guard var context = step.state.contexts[callback.context]
        else {
            step.state.add(callback.reserved)
            return
        }
        context.openCallbacks -= 1
        let prices = configuration.prices
        guard let module = canister.memory.currentModule else {
            step.state.add(callback.reserved)
            var outcome = ExecutionOutcome(log: step.state.log)
            outcome.failure = .trapped("the canister was uninstalled")
            close(&context, outcome, &step)
            return
        }
        var environment: MessageEnvironment
        let closure: OutgoingCall.Closure
        let responseBytes: Int
        switch response.payload {
        case .reply(let bytes):
            environment = updateEnvironment(.reply)
            environment.argument = bytes
            closure = callback.onReply
            responseBytes = bytes.count
        case .reject(let code, let text):
            environment = updateEnvironment(.reject)
            environment.rejectCode = code.rawValue
            environment.rejectMessage = Array(text.utf8)
            closure = callback.onReject
            responseBytes = text.utf8.count
        }
        environment.caller = context.caller.bytes
        environment.callerInfo = context.callerInfo
        environment.available = context.available
        environment.refunded = response.refund
        environment.deadline = context.deadline
        environment.mayRespond = !context.responded
        environment.contextInstructions = context.instructions
        let wide = module.prepared.instrumented.isWide
        var run = await execute(
            step.state, canister.memory, environment,
            [.callback(function: closure.function, environment: closure.environment)], time: step.time,
            balance: step.state.balance)
        var instructions = run.outcome.instructions
        let failure = run.outcome.failure
        if failure == nil {
            context.available -= min(run.outcome.accepted, context.available)
        } else if let cleanup = callback.onCleanup {
            // The callback's changes are gone; cleanup runs on what was before, with what is left of the instructions.
            step.state.log = run.outcome.log
            if let text = failure?.logText { appendLog(text, &step) }
            var second = environment
            second.context = .cleanup
            second.mayRespond = false
            second.instructionLimit -= min(instructions, second.instructionLimit - 1)
            run = await execute(
                step.state, canister.memory, second,
                [.callback(function: cleanup.function, environment: cleanup.environment)], time: step.time,
                balance: step.state.balance)
            instructions += run.outcome.instructions
            run.outcome.calls = []
            run.outcome.response = nil
        }
        let transport = prices.scaled(UInt128(prices.callByte)) * UInt128(responseBytes)
        settle(&run, &step, balance: run.outcome.balance, cost: 0, keepsMemory: true)
        step.state.add(callback.reserved)
        step.state.consume(prices.execution(instructions: instructions, wide: wide), for: "instructions")
        step.state.consume(transport, for: "request_and_response_transmission")
        var outcome = run.outcome
        outcome.failure = failure ?? run.outcome.failure
        outcome.instructions = instructions
        close(&context, outcome, &step)
    }

    // MARK: Tasks

    private func runTask(_ hook: String, _ canister: Canister, _ step: inout Step) async {
        guard step.state.status == .running, step.state.moduleHash != nil, let module = canister.memory.currentModule,
            module.prepared.hooks.contains(hook)
        else { return }
        let prices = configuration.prices
        let wide = module.prepared.instrumented.isWide
        let prepaid = prices.execution(instructions: configuration.limits.updateInstructions, wide: wide)
        guard step.state.liquidBalance(prices) >= prepaid else { return }
        var context = CallContext(
            id: step.state.newID(), origin: .system, caller: .managementCanister, available: 0, responded: true)
        var run = await execute(
            step.state, canister.memory, updateEnvironment(.task), [.export(hook)], time: step.time,
            balance: step.state.balance - prepaid)
        let cost = prices.execution(instructions: run.outcome.instructions, wide: wide)
        settle(&run, &step, balance: run.outcome.balance + prepaid, cost: cost, keepsMemory: true)
        close(&context, run.outcome, &step)
    }

    /// Queues heartbeats and due timers of running canisters.
    func enqueueTasks() {
        lock.withLock {
            let now = newTime()
            for canister in table.values where !canister.busy && canister.pending == 0 {
                let charged = canister.state.charged
                if charged != 0, charged + configuration.limits.idleChargeNanoseconds < now {
                    // A timer that is not due does nothing but what comes before every message.
                    _ = enqueue(.timer, to: canister)
                    schedule(canister)
                    continue
                }
                guard let module = canister.memory.currentModule else { continue }
                let state = canister.state
                if state.status == .running, state.timer != 0, state.timer <= now {
                    _ = enqueue(.timer, to: canister)
                }
                if module.prepared.hooks.contains("canister_heartbeat"), state.status == .running
                    || state.stopCalls.contains(where: { $0.deadline < now })
                {
                    _ = enqueue(.heartbeat, to: canister)
                }
                for (id, callback) in state.callbacks where callback.deadline != 0 && callback.deadline < now {
                    let expired = CallResponse(
                        payload: .reject(.systemUnknown, "\(ErrorCode.deadlineExpired.text): Call deadline has expired."))
                    _ = enqueue(.response(callback: id, expired), to: canister)
                }
                schedule(canister)
            }
        }
    }

    /// Queues what is due by now: timers, heartbeats, answers to expired calls.
    package func enqueueDueWork() async { enqueueTasks() }

    /// Calls of a canister that await their answers.
    package func openCalls(_ canister: Principal) -> Int {
        lock.withLock { table[canister]?.state.callbacks.count ?? 0 }
    }

    /// Runs due timers and heartbeats once, and everything they lead to.
    public func tick() async {
        enqueueTasks()
        await settle()
    }

    // MARK: Upkeep

    /// Storage and compute since the last charge, about every ten seconds.
    private func chargeIdle(_ step: inout Step) {
        let state = step.state
        guard state.charged != 0, step.time > state.charged + 10_000_000_000 else { return }
        let nanoseconds = UInt128(step.time - state.charged)
        let cost = state.idleCost(seconds: 1_000_000, prices: configuration.prices) * nanoseconds / 1_000_000_000_000_000
        step.state.consumeStorage(cost)
        step.state.charged = step.time
    }

    /// A stopping canister without open call contexts is stopped, and whoever asked for it hears so.
    private func finishStopping(_ step: inout Step) {
        guard step.persists, step.state.status == .stopping else { return }
        let late = step.state.stopCalls.filter { $0.deadline < step.time }
        step.state.stopCalls.removeAll { $0.deadline < step.time }
        for call in late {
            step.respond(
                to: call.request.origin,
                .failure(Rejection(.stopCanisterRequestTimeout, "Stop canister request timed out")),
                refund: call.request.cycles)
        }
        guard step.state.contexts.isEmpty else { return }
        step.state.status = .stopped
        step.state.version += 1
        for call in step.state.stopCalls {
            step.respond(to: call.request.origin, .success(ManagementMethod.emptyReply), refund: call.request.cycles)
        }
        step.state.stopCalls = []
    }
}
