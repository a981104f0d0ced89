import IC0
import InternetComputer

/// Non-replicated queries: on views of committed state, in parallel with everything, leaving no trace.
extension Subnet {
    /// Answers a query; leaves no trace.
    public func query(_ message: QueryMessage) async -> QueryOutcome {
        await queries.run { [self] in
            let time = lock.withLock { newTime() }
            do throws(Rejection) {
                if message.canister == .managementCanister {
                    return QueryOutcome(answer: .replied(try managementQuery(message)), instructions: 0, timestamp: time)
                }
                return try answer(message, time)
            } catch {
                return QueryOutcome(answer: .rejected(error), instructions: 0, timestamp: time)
            }
        }
    }

    private func answer(_ message: QueryMessage, _ time: UInt64) throws(Rejection) -> QueryOutcome {
        var evaluation = QueryEvaluation(subnet: self, time: time)
        let result = evaluation.call(
            message.canister, method: message.method, argument: message.argument, caller: message.sender, depth: 0)
        let answer: QueryOutcome.Answer =
            switch result {
            case .success(let bytes): .replied(bytes)
            case .failure(let rejection): .rejected(rejection)
            }
        return QueryOutcome(answer: answer, instructions: evaluation.instructions, timestamp: time)
    }

    /// Certificate over a canister's certified data for `data_certificate_copy`; nil without a certifier.
    ///
    /// As on the network, where a state is certified once a round, the queries of a second share a certificate
    /// while no message is committed.
    func dataCertificate(_ canister: Principal, _ certifiedData: [UInt8], time: UInt64) -> [UInt8]? {
        guard let certifier = configuration.certifier else { return nil }
        let (known, height) = lock.withLock { (certificates[canister], commits) }
        if let known, known.height == height, known.time <= time, time - known.time < 1_000_000_000 {
            return known.bytes
        }
        let path = [Array("canister".utf8), canister.bytes, Array("certified_data".utf8)]
        let tree = stateTree(requests: [], publicKey: certifier.rootKey, nodeKeys: [])
        guard let bytes = try? certifier.certificate(tree: tree, revealing: [path, [Array("time".utf8)]]) else {
            return nil
        }
        lock.withLock {
            // The tree may be of a later height than the one read above; then the next query makes a new one.
            if certificates.count > 10_000 { certificates = [:] }
            certificates[canister] = CachedCertificate(height: height, time: time, bytes: bytes)
        }
        return bytes
    }
}

/// A certificate of a canister's certified data and the state it was made for.
struct CachedCertificate {
    let height: UInt64
    let time: UInt64
    let bytes: [UInt8]
}

/// One query and, for composite queries, the calls it leads to.
struct QueryEvaluation {
    let subnet: Subnet
    let time: UInt64
    var instructions: UInt64 = 0

    /// Instructions that the replica adds for each inner call.
    static let innerCallOverhead: UInt64 = 50_000_000

    mutating func call(
        _ id: Principal, method: String, argument: [UInt8], caller: Principal, depth: Int
    ) -> Result<[UInt8], Rejection> {
        guard depth <= subnet.configuration.limits.compositeDepth else {
            return .failure(Rejection(.queryCallGraphTooDeep, "Composite query call exceeded the maximum depth"))
        }
        guard let canister = subnet.lock.withLock({ subnet.table[id] }) else { return .failure(Subnet.notFound(id)) }
        let state = subnet.lock.withLock { canister.state }
        if let rejection = Subnet.unavailable(state) { return .failure(rejection) }
        guard let module = canister.memory.currentModule else { return .failure(Subnet.noModule(id)) }
        if state.balance < state.freezingLimit(subnet.configuration.prices) {
            return .failure(
                Rejection(
                    .canisterOutOfCycles, "Canister \(id.text) is unable to process query calls because it's frozen. Please top up the canister with cycles and try again."))
        }
        switch module.prepared.methods[method] {
        case .query: break
        case .compositeQuery: return composite(canister, state, module, method, argument, caller, depth)
        default:
            return .failure(ExecutionFailure.methodNotFound(kind: "query", name: method).rejection(canister: id))
        }
        var environment = queryEnvironment(.query, depth: depth, module, state)
        environment.caller = caller.bytes
        environment.argument = argument
        let outcome = subnet.execute(
            state, canister.memory, environment, [.export("canister_query " + method)], time: time,
            balance: state.balance
        ).outcome
        instructions += outcome.instructions
        return Self.result(outcome, id)
    }

    private func queryEnvironment(
        _ context: SystemContexts, depth: Int, _ module: CompiledModule, _ state: CanisterState
    ) -> MessageEnvironment {
        let limits = subnet.configuration.limits
        let left = limits.queryInstructions - min(instructions, limits.queryInstructions - 1)
        var environment = MessageEnvironment(
            context: context, instructionLimit: left, sliceLimit: left, stablePageLimit: limits.stableQueryPages)
        environment.replicated = false
        environment.chargesDirtyPages = false
        environment.mayRespond = true
        environment.replyLimit = limits.queryReplyBytes
        if depth == 0, module.prepared.instrumented.imports.contains(where: { $0.hasPrefix("data_certificate") }) {
            environment.certificate = subnet.dataCertificate(state.id, state.certifiedData, time: time)
        }
        return environment
    }

    static func result(_ outcome: ExecutionOutcome, _ id: Principal) -> Result<[UInt8], Rejection> {
        if let failure = outcome.failure { return .failure(failure.rejection(canister: id)) }
        switch outcome.response {
        case .reply(let bytes): return .success(bytes)
        case .reject(let text):
            return .failure(Rejection(reject: .canisterReject, error: .canisterRejectedMessage, message: text))
        case nil:
            return .failure(
                Rejection(.canisterDidNotReply, "Error from Canister \(id.text): Canister did not reply to the call"))
        }
    }

    /// A composite query: its calls run one by one; its state changes are seen by its callbacks and then dropped.
    private mutating func composite(
        _ canister: Canister, _ state: CanisterState, _ module: CompiledModule, _ method: String, _ argument: [UInt8],
        _ caller: Principal, _ depth: Int
    ) -> Result<[UInt8], Rejection> {
        let limits = subnet.configuration.limits
        let view: CanisterMemory.View
        do throws(EngineError) {
            guard let opened = try canister.memory.view(limits: limits, stablePages: limits.stableQueryPages) else {
                return .failure(Subnet.noModule(state.id))
            }
            view = opened
        } catch {
            return .failure(ExecutionFailure.engine(error.description).rejection(canister: state.id))
        }
        var environment = queryEnvironment(.compositeQuery, depth: depth, module, state)
        environment.caller = caller.bytes
        environment.argument = argument
        // One instance for the whole frame: callbacks see what the method left in heap and globals.
        let execution = Execution(
            module: module, heap: view.heap, stable: view.stable,
            canister: subnet.environment(state, time: time, balance: state.balance), message: environment)
        do throws(ExecutionFailure) {
            try execution.instantiate(globals: view.globals)
            try execution.run(.export("canister_composite_query " + method))
            var pending = execution.calls
            while execution.response == nil, !pending.isEmpty {
                let call = pending.removeFirst()
                execution.calls = []
                let callee = (try? Principal(bytes: call.callee)) ?? .managementCanister
                instructions += execution.instructionsUsed + Self.innerCallOverhead
                let answer =
                    callee == .managementCanister
                    ? subnet.managementResult(QueryMessage(sender: state.id, canister: callee, method: String(decoding: call.method, as: UTF8.self), argument: call.argument))
                    : self.call(
                        callee, method: String(decoding: call.method, as: UTF8.self), argument: call.argument,
                        caller: state.id, depth: depth + 1)
                instructions -= min(instructions, execution.instructionsUsed)
                try callBack(execution, call, answer)
                pending += execution.calls
            }
        } catch {
            instructions += execution.instructionsUsed
            return .failure(error.rejection(canister: state.id))
        }
        instructions += execution.instructionsUsed
        var outcome = ExecutionOutcome(log: state.log)
        outcome.response = execution.response
        return Self.result(outcome, state.id)
    }

    private func callBack(
        _ execution: Execution, _ call: OutgoingCall, _ answer: Result<[UInt8], Rejection>
    ) throws(ExecutionFailure) {
        execution.message.certificate = nil
        switch answer {
        case .success(let bytes):
            execution.message.context = .compositeReply
            execution.message.argument = bytes
            execution.message.rejectCode = 0
            try execution.run(.callback(function: call.onReply.function, environment: call.onReply.environment))
        case .failure(let rejection):
            execution.message.context = .compositeReject
            execution.message.rejectCode = rejection.reject.rawValue
            execution.message.rejectMessage = Array(rejection.message.utf8)
            try execution.run(.callback(function: call.onReject.function, environment: call.onReject.environment))
        }
    }
}
