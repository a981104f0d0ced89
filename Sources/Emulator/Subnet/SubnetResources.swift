import InternetComputer

/// Checks of what canisters use of the subnet's resources beside instructions.
extension Subnet {
    /// Cycles to set aside when a canister grows on a subnet that is filling up; 0 below the threshold.
    ///
    /// The price of a byte rises linearly from nothing at the threshold to ten years of storage at the capacity.
    func reservation(
        _ state: CanisterState, heapBytes: UInt64, stableBytes: UInt64, balance: UInt128
    ) throws(ExecutionFailure) -> UInt128 {
        let old = state.heapBytes + state.stableBytes
        guard heapBytes + stableBytes > old else { return 0 }
        let growth = heapBytes + stableBytes - old
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
