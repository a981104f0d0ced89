import Foundation
import Synchronization

/// Notices Ctrl-C and SIGTERM, so that a loop can finish its step and save.
///
/// The first signal sets `isRequested`; a second one ends the process at once. A handler sees it on whichever thread it
/// comes; a dispatch source only where all threads block it, and those that MPI started do not.
final class Interrupts {
    private static let signals = [SIGINT, SIGTERM]
    private static let raised = Atomic<Bool>(false)

    init() {
        Interrupts.raised.store(false, ordering: .relaxed)
        for signal in Interrupts.signals {
            Foundation.signal(signal) { _ in
                if Interrupts.raised.exchange(true, ordering: .relaxed) { _exit(ExitStatus.interrupted.rawValue) }
            }
        }
    }

    deinit {
        for signal in Interrupts.signals { Foundation.signal(signal, SIG_DFL) }
    }

    var isRequested: Bool { Interrupts.raised.load(ordering: .relaxed) }
}
