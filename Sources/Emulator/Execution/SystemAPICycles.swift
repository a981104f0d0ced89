import Candid
import IC0

/// Cycles: balance, acceptance, burning, and the price questions.
extension Execution {
    var liquidBalance: UInt128 { balance > canister.freezingLimit ? balance - canister.freezingLimit : 0 }

    func cyclesCall(_ call: SystemCall, _ a: SystemArguments) throws(ExecutionFailure) {
        if call == .mintCycles128 {
            guard canister.id == canister.configuration.cyclesMintingCanister else {
                throw .contractViolation("ic0.mint_cycles128 cannot be executed on non Cycles Minting Canister")
            }
            let amount = min(a.amount(0), UInt128.max - balance)
            balance += amount
            try write(amount, at: a.address(2))
            return
        }
        try charge(500)
        switch call {
        case .msgCyclesAvailable128: try write(available, at: a.address(0))
        case .msgCyclesAvailable: a.returnU64(try narrow(available, call))
        case .msgCyclesRefunded128: try write(message.refunded, at: a.address(0))
        case .msgCyclesRefunded: a.returnU64(try narrow(message.refunded, call))
        case .msgCyclesAccept128: try write(accept(a.amount(0)), at: a.address(2))
        case .msgCyclesAccept: a.returnU64(UInt64(accept(UInt128(a.u64(0)))))
        case .cyclesBurn128:
            let amount = min(a.amount(0), liquidBalance)
            balance -= amount
            burned += amount
            try write(amount, at: a.address(2))
        case .canisterCycleBalance128: try write(balance, at: a.address(0))
        case .canisterCycleBalance: a.returnU64(try narrow(balance, call))
        default: try write(liquidBalance, at: a.address(0))
        }
    }

    /// Nothing is available once the call was answered.
    private var available: UInt128 { response == nil ? message.available : 0 }

    private func accept(_ amount: UInt128) -> UInt128 {
        let moved = min(amount, available, UInt128.max - balance)
        message.available -= moved
        balance += moved
        accepted += moved
        return moved
    }

    private func narrow(_ amount: UInt128, _ call: SystemCall) throws(ExecutionFailure) -> UInt64 {
        guard let value = UInt64(exactly: amount) else {
            throw .contractViolation("ic0.\(call.name): the amount \(amount) does not fit 64 bits")
        }
        return value
    }

    func costCall(_ call: SystemCall, _ a: SystemArguments) throws(ExecutionFailure) {
        let prices = canister.configuration.prices
        switch call {
        case .costCall:
            try charge(500)
            let cost = prices.callReserve(
                payloadBytes: UInt128(a.u64(0)) + UInt128(a.u64(1)), limits: canister.configuration.limits, wide: isWide)
            try write(cost, at: a.address(2))
        case .costCreateCanister:
            try charge(500)
            try write(prices.scaled(UInt128(prices.canisterCreation)), at: a.address(0))
        case .costHttpRequest:
            try charge(500)
            try write(prices.outcall(requestBytes: a.u64(0), responseBytes: a.u64(1)), at: a.address(2))
        case .costHttpRequestV2:
            try charge(10_000)
            let argument = try read(a.address(0), a.address(1))
            try write(try prices.outcallV2(argument), at: a.address(2))
        default:
            let (source, count) = (a.address(0), a.address(1))
            try charge(500 &+ count)
            _ = try utf8(try read(source, count), call)
            // No threshold keys are emulated: every key name is unknown; a bad curve comes first.
            let curves: UInt32 = call == .costSignWithSchnorr ? 2 : 1
            a.returnI32(a.u32(2) >= curves ? 1 : 2)
        }
    }
}

extension SubnetConfiguration.Prices {
    /// Cycles set aside by call_perform: request, largest response, and the callback's execution.
    func callReserve(payloadBytes: UInt128, limits: SubnetConfiguration.Limits, wide: Bool) -> UInt128 {
        scaled(UInt128(call)) + scaled(UInt128(callByte)) * payloadBytes + callbackReserve(limits: limits, wide: wide)
    }

    /// The part of the reserve that is settled when the response comes.
    func callbackReserve(limits: SubnetConfiguration.Limits, wide: Bool) -> UInt128 {
        scaled(UInt128(callByte)) * UInt128(limits.replyBytes)
            + execution(instructions: limits.updateInstructions, wide: wide)
    }

    /// Classic price of an HTTP outcall.
    func outcall(requestBytes: UInt64, responseBytes: UInt64) -> UInt128 {
        let n = UInt128(nodes)
        return (3_000_000 + 60_000 * n + 400 * UInt128(requestBytes) + 800 * UInt128(responseBytes)) * n
    }

    /// Pay-as-you-go price of a fully replicated outcall, from a Candid record of its sizes.
    func outcallV2(_ argument: [UInt8]) throws(ExecutionFailure) -> UInt128 {
        let type: CandidType = .record([
            "request_bytes": .nat64, "http_roundtrip_time_ms": .nat64, "raw_response_bytes": .nat64,
            "transformed_response_bytes": .nat64, "transform_instructions": .nat64,
        ])
        let fields: CandidValue
        do {
            guard let first = try Candid.decode(argument, as: [type]).first else { return 0 }
            fields = first
        } catch {
            throw .contractViolation("ic0.cost_http_request_v2: the argument is not the expected Candid record")
        }
        func field(_ name: StaticString) -> UInt128 { UInt128(fields[name]?.asUInt64 ?? 0) }
        let n = UInt128(nodes)
        let base = (1_000_000 + 50 * field("request_bytes") + 140_000 * n + 800 * n * n) * n
        let each =
            50 * field("raw_response_bytes") + 300 * field("http_roundtrip_time_ms")
            + field("transform_instructions") / 13
        return base + each * n + (10 * n + 600) * n * field("transformed_response_bytes")
    }
}
