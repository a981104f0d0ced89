import Dispatch
import Foundation
import Synchronization

/// Notices Ctrl-C and SIGTERM, so that a loop can finish its step and save.
///
/// The first signal sets `isRequested`; a second one ends the process at once.
final class Interrupts: Sendable {
    private let requested = Atomic<Bool>(false)
    private let sources: [any DispatchSourceSignal]

    init() {
        let signals = [SIGINT, SIGTERM]
        sources = signals.map { signal in
            Foundation.signal(signal, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: signal, queue: .global(qos: .userInteractive))
        }
        for source in sources {
            source.setEventHandler { [weak self] in self?.note() }
            source.resume()
        }
    }

    deinit {
        for source in sources { source.cancel() }
        for signal in [SIGINT, SIGTERM] { Foundation.signal(signal, SIG_DFL) }
    }

    var isRequested: Bool { requested.load(ordering: .relaxed) }

    private func note() {
        if requested.exchange(true, ordering: .relaxed) { Foundation.exit(ExitStatus.interrupted.rawValue) }
    }
}
