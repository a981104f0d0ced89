import IC0
import InternetComputer

/// Non-replicated queries: on views of committed state, in parallel with everything, leaving no trace.
extension Subnet {
    /// Answers a query; leaves no trace.
    public func query(_ message: QueryMessage) async -> QueryOutcome {
        if let outcome = answerHere(message) { return outcome }
        return await queries.run { [self] in answer(message) }
    }

    /// Queries that may run on threads of the HTTP server at a time; it has more threads than that.
    static let mostInline = 8

    /// Answers a query on this thread if it is one of the server, and long queries do not hold too many of those.
    private func answerHere(_ message: QueryMessage) -> QueryOutcome? {
        guard WorkerPool.isCurrent else { return nil }
        defer { inlineQueries.subtract(1, ordering: .relaxed) }
        guard inlineQueries.add(1, ordering: .relaxed).newValue <= Self.mostInline else { return nil }
        return answer(message)
    }

    /// Answers many queries, shared out among the query threads, in the order of the messages.
    public func query(_ messages: [QueryMessage]) async -> [QueryOutcome] {
        let share = max(1, (messages.count + configuration.workerThreads - 1) / configuration.workerThreads)
        return await withTaskGroup(of: (Int, [QueryOutcome]).self) { group in
            for start in stride(from: 0, to: messages.count, by: share) {
                let part = messages[start..<min(start + share, messages.count)]
                group.addTask { [self] in (start, await queries.run { [self] in part.map(answer) }) }
            }
            var parts: [(Int, [QueryOutcome])] = []
            for await part in group { parts.append(part) }
            return parts.sorted { $0.0 < $1.0 }.flatMap(\.1)
        }
    }

    /// Answers a query on this thread, which must have a stack of 8 MiB or more.
    func answer(_ message: QueryMessage) -> QueryOutcome {
        let time = lock.withLock { newTime() }
        if message.canister == .managementCanister {
            do throws(Rejection) {
                return QueryOutcome(answer: .replied(try managementQuery(message)), instructions: 0, timestamp: time)
            } catch {
                return QueryOutcome(answer: .rejected(error), instructions: 0, timestamp: time)
            }
        }
        var evaluation = QueryEvaluation(subnet: self, time: time)
        let result = evaluation.call(
            message.canister, method: message.method, argument: message.argument, caller: message.sender,
            info: message.callerInfo, depth: 0)
        let answer: QueryOutcome.Answer =
            switch result {
            case .success(let bytes): .replied(bytes)
            case .failure(let rejection): .rejected(rejection)
            }
        return QueryOutcome(answer: answer, instructions: evaluation.instructions, timestamp: time)
    }

    /// Whether `canister_inspect_message` accepted.
    func inspect(_ canister: Canister, _ message: MessageEnvironment) -> Result<Bool, Rejection> {
        let id = lock.withLock { canister.state.id }
        let time = lock.withLock { newTime() }
        var evaluation = QueryEvaluation(subnet: self, time: time)
        return evaluation.withLease(canister, id, request: nil) { evaluation, lease in
            do throws(ExecutionFailure) {
                let execution = try evaluation.prepare(lease, message)
                try execution.run(.export("canister_inspect_message"))
                return (.success(execution.acceptedMessage), 0)
            } catch {
                lease.instance.execution?.failure = error
                return (.failure(error.rejection(canister: id)), 0)
            }
        }
    }

    /// What queries see of a canister's state.
    func snapshot(_ state: CanisterState) -> QuerySnapshot {
        var refusal = Self.unavailable(state)
        if refusal == nil, state.balance < state.freezingLimit(configuration.prices) {
            refusal = Rejection(
                .canisterOutOfCycles,
                "Canister \(state.id.text) is unable to process query calls because it's frozen. Please top up the canister with cycles and try again.")
        }
        return QuerySnapshot(
            state, environment: environment(state, time: 0, balance: state.balance), refusal: refusal)
    }

    /// Certificate over a canister's certified data for `data_certificate_copy`; nil without a certifier.
    ///
    /// As on the network, where a state is certified once a round, the queries of a second share a certificate
    /// while the data stays the same.
    func dataCertificate(_ canister: Principal, _ certifiedData: [UInt8], time: UInt64) -> [UInt8]? {
        guard let certifier = configuration.certifier else { return nil }
        if let known = lock.withLock({ certificates[canister] }), known.data == certifiedData, known.time <= time,
            time - known.time < 1_000_000_000
        {
            return known.bytes
        }
        let path = [Array("canister".utf8), canister.bytes, Array("certified_data".utf8)]
        // Of the whole tree only these entries are revealed, and the signature covers what the canister's query runs on.
        func label(_ text: String) -> [UInt8] { Array(text.utf8) }
        let entry = StateTree.branch([(label("certified_data"), .leaf(certifiedData))])
        let tree = StateTree.branch([
            (label("canister"), .branch([(canister.bytes, entry)])), (label("time"), .leaf(leb128(time))),
        ])
        guard let bytes = try? certifier.certificate(tree: tree, revealing: [path, [Array("time".utf8)]]) else {
            return nil
        }
        lock.withLock {
            if certificates.count >= 10_000 { certificates = [:] }
            certificates[canister] = CachedCertificate(data: certifiedData, time: time, bytes: bytes)
        }
        return bytes
    }
}

/// A certificate of a canister's certified data.
struct CachedCertificate {
    let data: [UInt8]
    let time: UInt64
    let bytes: [UInt8]
}

/// One query and, for composite queries, the calls it leads to.
struct QueryEvaluation {
    let subnet: Subnet
    let time: UInt64
    var instructions: UInt64 = 0
    /// When the first call of a composite query was made.
    private var start: ContinuousClock.Instant?

    init(subnet: Subnet, time: UInt64) {
        self.subnet = subnet
        self.time = time
    }

    /// Instructions that the replica adds for each inner call.
    static let innerCallOverhead: UInt64 = 50_000_000

    mutating func call(
        _ id: Principal, method: String, argument: [UInt8], caller: Principal, info: CallerInfo? = nil, depth: Int
    ) -> Result<[UInt8], Rejection> {
        guard depth <= subnet.configuration.limits.compositeDepth else {
            return .failure(Rejection(.queryCallGraphTooDeep, "Composite query call exceeded the maximum depth"))
        }
        guard let canister = subnet.lock.withLock({ subnet.table[id] }) else { return .failure(Subnet.notFound(id)) }
        return withLease(canister, id, request: argument.count) { evaluation, lease in
            let result = evaluation.run(lease, id, method, argument, caller, info, depth)
            let bytes = if case .success(let reply) = result { reply.count } else { 0 }
            return (result, bytes)
        }
    }

    /// Runs `body` with an instance of the canister's committed state; it returns its result and the reply's size.
    mutating func withLease<T>(
        _ canister: Canister, _ id: Principal, request: Int?,
        _ body: (inout QueryEvaluation, CanisterMemory.Lease) -> (Result<T, Rejection>, Int)
    ) -> Result<T, Rejection> {
        let lease: CanisterMemory.Lease
        do throws(EngineError) {
            switch try canister.memory.lease(
                subnet.instances, limits: subnet.configuration.limits, snapshot: subnet.snapshot)
            {
            case .lease(let given): lease = given
            case .refused(let rejection): return .failure(rejection)
            case .noCode: return .failure(Subnet.noModule(id))
            }
        } catch {
            return .failure(ExecutionFailure.engine(error.description).rejection(canister: id))
        }
        let before = instructions
        let (result, response) = body(&self, lease)
        canister.memory.giveBack(
            lease, subnet.instances, instructions: instructions &- before, request: request, response: response)
        return result
    }

    /// The lease's execution, ready for a message.
    func prepare(
        _ lease: CanisterMemory.Lease, _ message: MessageEnvironment
    ) throws(ExecutionFailure) -> Execution {
        let instance = lease.instance
        let stable = StableMemory(
            mapping: instance.stable, limitBytes: subnet.configuration.limits.stableBytes,
            pageBudget: message.stablePageLimit)
        if let execution = instance.execution {
            if instance.snapshot !== lease.snapshot {
                execution.canister = lease.snapshot.environment
                instance.snapshot = lease.snapshot
            }
            execution.canister.time = time
            try execution.reuse(stable: stable, message: message, globals: lease.globals)
            return execution
        }
        var environment = lease.snapshot.environment
        environment.time = time
        let execution = Execution(
            module: instance.module, heap: instance.heap, stable: stable, canister: environment, message: message)
        instance.execution = execution
        instance.snapshot = lease.snapshot
        try execution.instantiate(globals: lease.globals)
        return execution
    }

    private mutating func run(
        _ lease: CanisterMemory.Lease, _ id: Principal, _ method: String, _ argument: [UInt8], _ caller: Principal,
        _ info: CallerInfo?, _ depth: Int
    ) -> Result<[UInt8], Rejection> {
        let kind = lease.instance.module.prepared.methods[method]
        guard kind == .query || kind == .compositeQuery else {
            return .failure(ExecutionFailure.methodNotFound(kind: "query", name: method).rejection(canister: id))
        }
        var environment = queryEnvironment(kind == .query ? .query : .compositeQuery, depth: depth, lease)
        environment.caller = caller.bytes
        environment.callerInfo = info
        environment.argument = argument
        do throws(ExecutionFailure) {
            let execution = try prepare(lease, environment)
            if kind == .compositeQuery { return try composite(execution, id, method, depth) }
            defer { instructions += min(execution.instructionsUsed, environment.instructionLimit) }
            try execution.run(.export("canister_query " + method))
            return Self.result(nil, execution.response, id)
        } catch {
            lease.instance.execution?.failure = error
            return .failure(error.rejection(canister: id))
        }
    }

    private func queryEnvironment(
        _ context: SystemContexts, depth: Int, _ lease: CanisterMemory.Lease
    ) -> MessageEnvironment {
        let limits = subnet.configuration.limits
        let left = limits.queryInstructions - min(instructions, limits.queryInstructions - 1)
        var environment = MessageEnvironment(
            context: context, instructionLimit: left, sliceLimit: left, stablePageLimit: limits.stableQueryPages)
        environment.replicated = false
        environment.chargesDirtyPages = false
        environment.mayRespond = true
        environment.replyLimit = limits.queryReplyBytes
        if depth == 0, lease.instance.module.prepared.readsCertificates {
            let state = lease.snapshot.state
            environment.certificate = lease.snapshot.certificate(at: time, age: limits.dataCertificateNanoseconds) {
                subnet.dataCertificate(state.id, state.certifiedData, time: time)
            }
        }
        return environment
    }

    static func result(
        _ failure: ExecutionFailure?, _ response: ExecutionOutcome.Response?, _ id: Principal
    ) -> Result<[UInt8], Rejection> {
        if let failure { return .failure(failure.rejection(canister: id)) }
        switch response {
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
        _ execution: Execution, _ id: Principal, _ method: String, _ depth: Int
    ) throws(ExecutionFailure) -> Result<[UInt8], Rejection> {
        // One instance for the whole frame: callbacks see what the method left in heap and globals.
        defer { instructions += execution.instructionsUsed }
        try execution.run(.export("canister_composite_query " + method))
        var pending = execution.calls
        while execution.response == nil, !pending.isEmpty {
            let call = pending.removeFirst()
            execution.calls = []
            let callee = (try? Principal(bytes: call.callee)) ?? .managementCanister
            let name = String(decoding: call.method, as: UTF8.self)
            instructions += execution.instructionsUsed + Self.innerCallOverhead
            if let refusal = exhausted() { return .failure(refusal) }
            let answer =
                callee == .managementCanister
                ? subnet.managementResult(
                    QueryMessage(sender: id, canister: callee, method: name, argument: call.argument))
                : self.call(callee, method: name, argument: call.argument, caller: id, depth: depth + 1)
            instructions -= min(instructions, execution.instructionsUsed)
            try callBack(execution, call, answer)
            pending += execution.calls
        }
        return Self.result(nil, execution.response, id)
    }

    /// Why a composite query may make no further call: its instructions or its time are used up.
    private mutating func exhausted() -> Rejection? {
        let limits = subnet.configuration.limits
        if instructions > limits.queryInstructions {
            return Rejection(
                .queryCallGraphTotalInstructionLimitExceeded,
                "Query call exceeded the instruction limit for the whole call graph: \(limits.queryInstructions).")
        }
        let now = ContinuousClock.now
        if let start, now - start > .nanoseconds(limits.compositeNanoseconds) {
            return Rejection(.queryTimeLimitExceeded, "Composite query calls exceeded the time limit.")
        }
        start = start ?? now
        return nil
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
