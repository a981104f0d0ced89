import Candid
import IC0
import InternetComputer

/// Outgoing calls: begun by call_new, sent when the message ends without a trap.
extension Execution {
    func outgoingCall(_ call: SystemCall, _ a: SystemArguments) throws(ExecutionFailure) {
        switch call {
        case .callNew: try callNew(a)
        case .callPerform: try callPerform(a)
        case .callDataAppend:
            let (source, count) = (a.address(0), a.address(1))
            try charge(500 &+ count.multipliedReportingOverflow(by: 50).partialValue)
            let bytes = try slice(source, count)
            try pending(call)
            let limit = canister.configuration.limits.requestPayloadBytes
            let size = pendingCall!.argument.count + pendingCall!.method.count + bytes.count
            guard size <= limit else {
                throw .contractViolation(
                    "ic0.call_data_append: request payload size (\(size)) cannot be larger than \(limit).")
            }
            pendingCall!.argument.append(contentsOf: bytes)
        case .callOnCleanup:
            try charge(500)
            try pending(call)
            guard pendingCall!.onCleanup == nil else {
                throw .contractViolation("ic0.call_on_cleanup: a cleanup callback was already set")
            }
            pendingCall!.onCleanup = OutgoingCall.Closure(function: a.address(0), environment: a.address(1))
        case .callWithBestEffortResponse:
            try charge(500)
            try pending(call)
            guard pendingCall!.timeoutSeconds == nil else {
                throw .contractViolation("ic0.call_with_best_effort_response: a timeout was already set")
            }
            pendingCall!.timeoutSeconds = min(a.u32(0), canister.configuration.limits.callTimeoutSeconds)
        default:
            try charge(500)
            try pending(call)
            let amount = call == .callCyclesAdd ? UInt128(a.u64(0)) : a.amount(0)
            guard amount <= liquidBalance else {
                throw .insufficientCycles(
                    "Canister attempted to attach \(amount) cycles to a call and has only \(liquidBalance) to spend.")
            }
            balance -= amount
            pendingCall!.cycles += amount
        }
    }

    /// `sender_canister_version` in a management call must be the sender's own version.
    private func checkSenderVersion(_ call: OutgoingCall) throws(ExecutionFailure) {
        let type: CandidType = .record(["sender_canister_version": .optional(.nat64)])
        guard let value = (try? Candid.decode(call.argument, as: [type]))?.first,
            let version = value["sender_canister_version"]?.unwrapped?.asUInt64, version != canister.version
        else { return }
        throw .contractViolation(
            "ic0.call_perform: sender_canister_version \(version) is not the version \(canister.version) of the caller")
    }

    private func pending(_ call: SystemCall) throws(ExecutionFailure) {
        guard pendingCall != nil else {
            throw .contractViolation("ic0.\(call.name): called when no call is under construction")
        }
    }

    private func callNew(_ a: SystemArguments) throws(ExecutionFailure) {
        let (calleeBytes, nameBytes) = (a.address(1), a.address(3))
        try charge(1500 &+ calleeBytes &+ nameBytes)
        if let discarded = pendingCall { balance += discarded.cycles }
        pendingCall = nil
        let limit = canister.configuration.limits.methodNameBytes
        guard nameBytes <= UInt64(limit) else {
            throw .contractViolation("ic0.call_new: method name of \(nameBytes) bytes, at most \(limit)")
        }
        let callee = try read(a.address(0), calleeBytes)
        guard callee.count <= Principal.maximumBytes else {
            throw .contractViolation("ic0.call_new: \(callee.count) bytes are no principal, at most 29")
        }
        let name = try read(a.address(2), nameBytes)
        pendingCall = OutgoingCall(
            callee: callee, method: name,
            onReply: OutgoingCall.Closure(function: a.address(4), environment: a.address(5)),
            onReject: OutgoingCall.Closure(function: a.address(6), environment: a.address(7)))
    }

    private func callPerform(_ a: SystemArguments) throws(ExecutionFailure) {
        try charge(5000)
        try pending(.callPerform)
        var call = pendingCall!
        let configuration = canister.configuration
        if call.callee.isEmpty || call.callee == configuration.subnetID.bytes { try checkSenderVersion(call) }
        pendingCall = nil
        let queued = (canister.openCalls[call.callee] ?? 0) + calls.count { $0.callee == call.callee }
        let composite = !message.context.isDisjoint(with: [.compositeQuery, .compositeReply, .compositeReject])
        let reserve = configuration.prices.callReserve(
            payloadBytes: UInt128(call.argument.count + call.method.count), limits: configuration.limits, wide: isWide)
        guard queued < configuration.limits.queueDepth, composite || reserve <= liquidBalance else {
            balance += call.cycles
            a.returnI32(2)
            return
        }
        if !composite {
            balance -= reserve
            call.reserved = configuration.prices.callbackReserve(limits: configuration.limits, wide: isWide)
        }
        calls.append(call)
        a.returnI32(0)
    }
}
