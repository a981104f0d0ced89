import InternetComputer
import Logging

/// Checks of what canisters use of the subnet's resources beside instructions.
extension Subnet {
    /// Cycles to set aside when a canister grows on a subnet that is filling up; 0 below the threshold. Growth that
    /// would freeze the canister is refused.
    ///
    /// The price of a byte rises linearly from nothing at the threshold to ten years of storage at the capacity.
    func reservation(
        _ state: CanisterState, heapBytes: UInt64, stableBytes: UInt64, balance: UInt128
    ) throws(ExecutionFailure) -> UInt128 {
        let old = state.heapBytes + state.stableBytes
        guard heapBytes + stableBytes > old else { return 0 }
        let growth = heapBytes + stableBytes - old
        var grown = state
        (grown.heapBytes, grown.stableBytes) = (heapBytes, stableBytes)
        let threshold = grown.freezingLimit(configuration.prices)
        guard balance >= threshold else {
            throw .refused(
                .insufficientCyclesInMemoryGrow,
                "Canister cannot grow memory by \(growth) bytes due to insufficient cycles. At least \(threshold - balance) additional cycles are required.")
        }
        let limits = configuration.limits
        let used = lock.withLock { table.values.reduce(UInt64(0)) { $0 + $1.state.memoryBytes } } + growth
        guard used <= limits.subnetMemoryBytes else { throw .outOfMemory }
        guard used > limits.reservationThresholdBytes else { return 0 }
        let prices = configuration.prices
        let tenYears = prices.scaled(
            UInt128(growth) * UInt128(prices.storageGiBSecond) * UInt128(10 * 365 * 86_400) / (1 << 30))
        let cycles =
            tenYears * UInt128(used - limits.reservationThresholdBytes)
            / UInt128(max(1, limits.subnetMemoryBytes - limits.reservationThresholdBytes))
        guard state.reserved + cycles <= state.settings.reservedCyclesLimit else {
            throw .refused(
                .reservedCyclesLimitExceededInMemoryGrow,
                "Canister cannot grow memory by \(growth) bytes due to its reserved cycles limit. The current limit "
                    + "(\(state.settings.reservedCyclesLimit)) would be exceeded by \(state.reserved + cycles - state.settings.reservedCyclesLimit).")
        }
        let liquid = balance > state.freezingLimit(prices) ? balance - state.freezingLimit(prices) : 0
        guard liquid >= cycles else {
            throw .refused(
                .insufficientCyclesInMemoryGrow,
                "Canister cannot grow memory by \(growth) bytes due to insufficient cycles. At least \(cycles - liquid) additional cycles are required.")
        }
        return cycles
    }

    /// Refuses allocations that the subnet does not have, beside those of its other canisters.
    func checkCapacity(_ settings: CanisterSettings, of id: Principal) throws(Rejection) {
        guard settings.computeAllocation > 0 || settings.memoryAllocation > 0 else { return }
        let others = lock.withLock { table.filter { $0.key != id }.values.map(\.state.settings) }
        let compute = others.reduce(UInt64(0)) { $0 + $1.computeAllocation }
        let limits = configuration.limits
        guard compute + settings.computeAllocation <= limits.computeAllocationPercent else {
            let left = limits.computeAllocationPercent - min(compute, limits.computeAllocationPercent)
            throw Rejection(
                .subnetOversubscribed,
                "Canister requested a compute allocation of \(settings.computeAllocation)% which cannot be satisfied because the Subnet's remaining compute capacity is \(left)%.")
        }
        let memory = others.reduce(UInt128(0)) { $0 + UInt128($1.memoryAllocation) }
        guard memory + UInt128(settings.memoryAllocation) <= UInt128(limits.subnetMemoryBytes) else {
            let left = UInt128(limits.subnetMemoryBytes) - min(memory, UInt128(limits.subnetMemoryBytes))
            throw Rejection(
                .subnetOversubscribed,
                "Canister requested \(settings.memoryAllocation) bytes of memory but only \(left) bytes are available in the subnet.")
        }
    }

    /// Refuses larger allocations that would freeze the canister at once.
    func checkCycles(for settings: CanisterSettings, _ state: CanisterState) throws(Rejection) {
        let old = state.settings
        let isCompute = settings.computeAllocation > old.computeAllocation
        guard isCompute || settings.memoryAllocation > old.memoryAllocation else { return }
        var changed = state
        changed.settings = settings
        let limit = changed.freezingLimit(configuration.prices)
        guard state.balance < limit else { return }
        let name = isCompute ? "compute" : "memory"
        throw Rejection(
            isCompute ? .insufficientCyclesInComputeAllocation : .insufficientCyclesInMemoryAllocation,
            "Cannot increase \(name) allocation to \(isCompute ? settings.computeAllocation : settings.memoryAllocation) due to insufficient cycles. At least \(limit - state.balance) additional cycles are required.")
    }

    /// A canister that cannot pay any more loses its code, its memory and its allocations.
    func uninstallIfPenniless(_ step: inout Step) {
        guard step.persists, step.state.charged != 0, step.state.balance == 0, step.state.reserved == 0,
            step.state.moduleHash != nil
        else { return }
        let call = CallRequest(
            origin: .system, sender: .managementCanister, method: "uninstall_code", argument: [])
        do throws(Rejection) { try uninstall(call, &step) } catch {
            logger.error("a canister without cycles keeps its code", metadata: ["canister": "\(step.state.id)", "reason": "\(error)"])
            return
        }
        step.state.settings.computeAllocation = 0
        step.state.settings.memoryAllocation = 0
        step.state.history = []
        logger.info("a canister ran out of cycles and was uninstalled", metadata: ["canister": "\(step.state.id)"])
    }

    /// Refuses an install while earlier ones are still to be worked off at the configured rates.
    func checkRates(_ state: inout CanisterState, _ time: UInt64) throws(Rejection) {
        let limits = configuration.limits
        let rounds = (time - min(state.debitTime, time)) / max(1, limits.roundNanoseconds)
        func worked(_ debit: UInt64, _ rate: UInt64?) -> UInt64 {
            guard let rate else { return 0 }
            let (done, overflow) = rate.multipliedReportingOverflow(by: rounds)
            return overflow || done >= debit ? 0 : debit - done
        }
        if rounds > 0 {
            state.installDebit = worked(state.installDebit, limits.installInstructionsPerRound)
            state.heapDebit = worked(state.heapDebit, limits.heapDeltaBytesPerRound)
            state.debitTime = time
        }
        guard state.installDebit == 0 else {
            throw Rejection(
                .canisterInstallCodeRateLimited,
                "Canister \(state.id.text) is rate limited because it executed too many instructions in the previous install_code messages. Please retry installation after several minutes.")
        }
        guard state.heapDebit == 0 else {
            throw Rejection(
                .canisterHeapDeltaRateLimited,
                "Canister \(state.id.text) is heap delta rate limited: current delta debit is \(state.heapDebit) bytes.")
        }
    }

    /// Counts work above the rates.
    func addDebit(_ state: inout CanisterState, instructions: UInt64, heapBytes: UInt64, _ time: UInt64) {
        let limits = configuration.limits
        if let rate = limits.installInstructionsPerRound, instructions > rate { state.installDebit += instructions - rate }
        if let rate = limits.heapDeltaBytesPerRound, heapBytes > rate { state.heapDebit += heapBytes - rate }
        if state.debitTime == 0 { state.debitTime = time }
    }
}
