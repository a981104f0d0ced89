import Foundation
import InternetComputer

/// The way in: submission checks, ingress history, waiting.
extension Subnet {
    /// Queues an update call after the checks of the specification (expiry, duplicate, cycles, inspect_message).
    public func submit(_ message: IngressMessage) async -> Submission {
        await submit(message, isDurable: true)
    }

    /// Queues an update call of somebody who waits for its outcome. It is in the store once it has run, or once
    /// `acknowledge` has put it there: a message of a megabyte is otherwise written and deleted for nothing.
    public func submitWaiting(_ message: IngressMessage) async -> Submission {
        await submit(message, isDurable: false)
    }

    private func submit(_ message: IngressMessage, isDurable: Bool) async -> Submission {
        let now = configuration.clock()
        let limits = configuration.limits
        let latest = now + limits.ingressTimeToLiveNanoseconds + limits.ingressDriftNanoseconds
        guard message.ingressExpiry >= now, message.ingressExpiry <= latest else {
            return .rejected(
                Rejection(
                    .ingressMessageTimeout,
                    "Invalid request expiry: Specified ingress_expiry not within expected range: Minimum allowed "
                        + "expiry: \(now), Maximum allowed expiry: \(latest), Provided expiry: \(message.ingressExpiry)"))
        }
        guard message.envelopeBytes <= limits.ingressBytes else {
            return .rejected(
                Rejection(
                    .invalidManagementPayload,
                    "The message of \(message.envelopeBytes) bytes is larger than \(limits.ingressBytes)."))
        }
        if lock.withLock({ requests[message.requestID] != nil }) {
            guard !isDurable || acknowledge(message.requestID) else {
                return .rejected(Rejection(.certifiedStateUnavailable, "The emulator is shutting down."))
            }
            return .accepted
        }
        do throws(Rejection) {
            let target = try ingressTarget(message)
            if message.canister != .managementCanister { try await inspect(message, target) }
            return try enqueueIngress(message, target, now, isDurable: isDurable)
        } catch {
            return .rejected(error)
        }
    }

    /// The canister whose queue takes the message, after the checks that need no Wasm.
    private func ingressTarget(_ message: IngressMessage) throws(Rejection) -> Canister {
        if message.canister == .managementCanister {
            let call = CallRequest(
                origin: .ingress(requestID: message.requestID), sender: message.sender, method: message.method,
                argument: message.argument)
            let target = try ManagementMethod.route(call, isIngress: true)
            guard let id = target else { return management }
            guard let canister = lock.withLock({ table[id] }) else { throw Self.notFound(id) }
            try check(call, lock.withLock { canister.state })
            return canister
        }
        guard let canister = lock.withLock({ table[message.canister] }) else { throw Self.notFound(message.canister) }
        let state = lock.withLock { canister.state }
        if let rejection = Self.unavailable(state) { throw rejection }
        let cost = ingressCost(message)
        guard state.liquidBalance(configuration.prices) >= cost, state.balance > 0 else {
            throw Self.outOfCycles(state.id, needs: cost)
        }
        guard let module = canister.memory.currentModule else { throw Self.noModule(state.id) }
        guard let kind = module.prepared.methods[message.method] else {
            throw ExecutionFailure.methodNotFound(kind: "update", name: message.method).rejection(canister: state.id)
        }
        if kind == .compositeQuery {
            throw Rejection(
                .compositeQueryCalledInReplicatedMode,
                "Composite query '\(message.method)' cannot be called in replicated mode.")
        }
        return canister
    }

    func ingressCost(_ message: IngressMessage) -> UInt128 {
        let prices = configuration.prices
        return prices.scaled(UInt128(prices.ingress))
            + prices.scaled(UInt128(prices.ingressByte)) * UInt128(message.envelopeBytes)
    }

    private func enqueueIngress(
        _ message: IngressMessage, _ target: Canister, _ now: UInt64, isDurable: Bool
    ) throws(Rejection) -> Submission {
        let toManagement = message.canister == .managementCanister
        let call = CallRequest(
            origin: .ingress(requestID: message.requestID), sender: message.sender, method: message.method,
            argument: message.argument, ingressCost: target === management ? 0 : ingressCost(message),
            callerInfo: message.callerInfo)
        let queued: QueuedMessage = toManagement ? .management(call) : .request(call)
        let record = RequestRecord(
            sender: message.sender, canister: message.canister, effective: target === management ? nil : target.state.id,
            status: .received, expiry: message.ingressExpiry)
        let queue = toManagement && target === management ? Principal.managementCanister : target.state.id
        // Whoever waits for the outcome need not wait for the commit of another message first.
        let keeps = isDurable || store == nil
        if keeps { commitLock.lock() }
        defer { if keeps { commitLock.unlock() } }
        enum Entry { case duplicate, closed, full, crowded, new(UInt64) }
        let entry = lock.withLock { () -> Entry in
            if requests[message.requestID] != nil { return .duplicate }
            if closed { return .closed }
            if requests.count >= configuration.limits.ingressHistory { return .full }
            guard queuedIngressBytes + queued.ingressBytes <= configuration.limits.queuedIngressBytes else { return .crowded }
            queuedIngressBytes += queued.ingressBytes
            defer { nextSequence += 1 }
            if !keeps {
                requests[message.requestID] = record
                unstored[message.requestID] = UnstoredMessage(
                    sequence: nextSequence, canister: queue, message: queued)
            }
            return .new(nextSequence)
        }
        guard case .new(let sequence) = entry else {
            switch entry {
            case .duplicate: return .accepted
            case .crowded:
                throw Rejection(.canisterQueueFull, "Too many calls wait to be executed; try again later.")
            case .full: throw Rejection(.ingressHistoryFull, "The ingress history is full; try again later.")
            default: throw Rejection(.certifiedStateUnavailable, "The emulator is shutting down.")
            }
        }
        var transaction = StoreTransaction()
        if keeps {
            transaction.requests.append((message.requestID, record))
            transaction.addedMessages.append((sequence, queue, queued))
        }
        transaction.prunedRequests = lock.withLock { prunable(now) }
        if keeps || !transaction.prunedRequests.isEmpty {
            do { try store?.apply(transaction) } catch {
                lock.withLock {
                    queuedIngressBytes -= queued.ingressBytes
                    if !keeps {
                        requests[message.requestID] = nil
                        unstored[message.requestID] = nil
                    }
                }
                throw Rejection(.certifiedStateUnavailable, "The emulator's state cannot be written: \(error)")
            }
        }
        lock.withLock {
            for id in transaction.prunedRequests { requests[id] = nil }
            if keeps { requests[message.requestID] = record }
            target.push(sequence, queued)
            schedule(target)
        }
        return .accepted
    }

    /// Makes a message durable that was queued for somebody who waits; false when the state cannot be written.
    public func acknowledge(_ requestID: [UInt8]) -> Bool {
        commitLock.lock()
        defer { commitLock.unlock() }
        return writeUnstored([requestID])
    }

    /// Puts messages into the store that are not there yet. Call with the commit lock held.
    func writeUnstored(_ requestIDs: [[UInt8]]) -> Bool {
        var transaction = StoreTransaction()
        let isOpen = lock.withLock {
            for id in requestIDs {
                guard let entry = unstored[id], let record = requests[id] else { continue }
                transaction.requests.append((id, record))
                transaction.addedMessages.append((entry.sequence, entry.canister, entry.message))
            }
            return !closed
        }
        guard !transaction.addedMessages.isEmpty else { return isOpen }
        do { try store?.apply(transaction) } catch { return false }
        lock.withLock { for id in requestIDs { unstored[id] = nil } }
        return true
    }

    /// Final requests whose expiry and retention are over; looked for now and then. Call with the lock held.
    private func prunable(_ now: UInt64) -> [[UInt8]] {
        guard nextSequence % 256 == 0 else { return [] }
        let keep = configuration.limits.ingressHistoryNanoseconds
        return requests.compactMap { id, record in
            record.status.isFinal && record.expiry < now && record.finished + keep < now ? id : nil
        }
    }

    private func inspect(_ message: IngressMessage, _ canister: Canister) async throws(Rejection) {
        guard let module = canister.memory.currentModule, module.prepared.hooks.contains("canister_inspect_message")
        else { return }
        let result = await queries.run { [self] in
            var environment = MessageEnvironment(
                context: .inspectMessage, instructionLimit: configuration.limits.inspectInstructions,
                sliceLimit: configuration.limits.inspectInstructions,
                stablePageLimit: configuration.limits.stableQueryPages)
            environment.replicated = false
            environment.chargesDirtyPages = false
            environment.caller = message.sender.bytes
            environment.callerInfo = message.callerInfo
            environment.argument = message.argument
            environment.methodName = Array(message.method.utf8)
            return inspect(canister, environment)
        }
        guard try result.get() else { throw Rejection(.canisterRejectedMessage, "Canister rejected the message") }
    }

    // MARK: History

    /// Where an ingress message stands.
    public func requestStatus(_ requestID: [UInt8]) -> RequestStatus {
        lock.withLock { requests[requestID]?.status ?? .unknown }
    }

    /// Sender of an ingress message still in the history (read_state shows a status to its sender only).
    public func requestSender(_ requestID: [UInt8]) -> Principal? { lock.withLock { requests[requestID]?.sender } }

    /// The canister that an ingress message still in the history called (a restricted delegation must name it).
    public func requestCanister(_ requestID: [UInt8]) -> Principal? { lock.withLock { requests[requestID]?.canister } }

    /// The canister whose path shows the status of an ingress message still in the history; nil when any will do.
    public func requestEffectiveCanister(_ requestID: [UInt8]) -> Principal? {
        lock.withLock { requests[requestID]?.effective }
    }

    /// Waits until the request is final or the time is over; returns the last status.
    public func waitForStatus(_ requestID: [UInt8], timeoutNanoseconds: UInt64) async -> RequestStatus {
        let status = await withCheckedContinuation { (continuation: CheckedContinuation<RequestStatus?, Never>) in
            let waiter = Waiter(continuation)
            let known = lock.withLock { () -> RequestStatus? in
                let status = requests[requestID]?.status ?? .unknown
                if status.isFinal || status == .unknown { return status }
                waiters[requestID, default: []].append(waiter)
                return nil
            }
            if let known {
                waiter.resume(known)
            } else {
                Task.detached {
                    try? await Task.sleep(nanoseconds: timeoutNanoseconds)
                    waiter.resume(nil)
                }
            }
        }
        return status ?? requestStatus(requestID)
    }

    // MARK: Common refusals

    static func notFound(_ id: Principal) -> Rejection {
        Rejection(.canisterNotFound, "Canister \(id.text) not found")
    }
    static func noModule(_ id: Principal) -> Rejection {
        Rejection(
            .canisterWasmModuleNotFound,
            "Error from Canister \(id.text): Attempted to execute a message, but the canister contains no Wasm module.")
    }
    static func outOfCycles(_ id: Principal, needs: UInt128) -> Rejection {
        Rejection(
            .canisterOutOfCycles,
            "Canister \(id.text) is out of cycles: please top up the canister with at least \(needs) additional cycles")
    }
    static func unavailable(_ state: CanisterState) -> Rejection? {
        switch state.status {
        case .running: nil
        case .stopping: Rejection(.canisterStopping, "Canister \(state.id.text) is stopping")
        case .stopped: Rejection(.canisterStopped, "Canister \(state.id.text) is stopped")
        }
    }
}
