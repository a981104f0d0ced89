import Synchronization

/// Lets a subnet execute as many instructions in a round as the configuration allows, and no more.
///
/// The budget belongs to all threads together; a message or slice that begins within it may end over it.
final class RoundBudget: Sendable {
    private struct Round {
        var number: UInt64 = 0
        var used: UInt64 = 0
    }
    private let budget: UInt64
    private let overhead: UInt64
    private let nanoseconds: UInt64
    private let clock: @Sendable () -> UInt64
    private let current = Mutex(Round())

    /// Nil when rounds are not limited.
    init?(_ configuration: SubnetConfiguration) {
        let limits = configuration.limits
        guard let instructions = limits.roundInstructions else { return nil }
        budget = instructions.multipliedReportingOverflow(by: limits.roundThreads).partialValue
        overhead = limits.roundOverheadInstructions
        nanoseconds = max(1, limits.roundNanoseconds)
        clock = configuration.clock
    }

    /// Counts instructions that were used, and returns once the round has some left, or another one began.
    func spend(_ instructions: UInt64, isOver: () -> Bool) async {
        let number = clock() / nanoseconds
        let isExhausted = current.withLock { round in
            if round.number < number { round = Round(number: number) }
            round.used = round.used.addingReportingOverflow(instructions).partialValue &+ overhead
            return round.used >= budget
        }
        guard isExhausted else { return }
        while clock() / nanoseconds == number, !isOver() {
            try? await Task.sleep(nanoseconds: 1_000_000)
        }
    }
}
