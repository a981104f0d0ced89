import Dispatch
import Foundation
import Synchronization

/// Notices Ctrl-C and SIGTERM, so that a loop can finish its step and save.
///
/// The first signal sets `isRequested`; a second one ends the process at once.
final class Interrupts {
    private final class Flag: Sendable {
        let raised = Atomic<Bool>(false)
    }

    private static let signals = [SIGINT, SIGTERM]
    private let flag = Flag()
    private var sources: [any DispatchSourceSignal] = []

    init() {
        let flag = flag
        for signal in Interrupts.signals {
            Foundation.signal(signal, SIG_IGN)
            let source = DispatchSource.makeSignalSource(
                signal: signal, queue: .global(qos: .userInteractive))
            source.setEventHandler {
                let isSecond = flag.raised.exchange(true, ordering: .relaxed)
                if isSecond { Foundation.exit(ExitStatus.interrupted.rawValue) }
            }
            source.resume()
            sources.append(source)
        }
    }

    deinit {
        for source in sources { source.cancel() }
        for signal in Interrupts.signals { Foundation.signal(signal, SIG_DFL) }
    }

    var isRequested: Bool { flag.raised.load(ordering: .relaxed) }
}
