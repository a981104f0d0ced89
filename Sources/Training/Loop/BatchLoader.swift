import Dispatch
import Synchronization

/// Makes the batches of an epoch ahead of the steps that take them, on other threads.
///
/// A batch depends on its number alone, so the number of threads and their luck change nothing.
final class BatchLoader {
    /// A batch that is being made.
    private final class Promise: Sendable {
        private let ready = DispatchSemaphore(value: 0)
        private let batch = Mutex<Batch?>(nil)

        func fulfil(_ value: Batch) {
            batch.withLock { $0 = value }
            ready.signal()
        }

        /// Called once.
        func wait() -> Batch? {
            ready.wait()
            return batch.withLock { $0.take() }
        }
    }

    private let source: BatchSource
    private let order: [Int32]
    private let epoch: Int
    private let batch: Int
    private let collective: any Collective
    private let ahead: Int
    private let queue = DispatchQueue(label: "batches", qos: .userInitiated, attributes: .concurrent)
    private var promises: [Promise] = []
    private var nextStep: Int

    /// - Parameters:
    ///   - step: the first step that will be taken, from 0.
    ///   - batch: images of one process in a step.
    ///   - ahead: how many batches are made at a time.
    init(
        _ source: BatchSource, epoch: Int, from step: Int, batch: Int, ahead: Int,
        collective: any Collective = Alone()
    ) {
        self.source = source
        self.epoch = epoch
        self.batch = batch
        self.collective = collective
        self.ahead = max(ahead, 1)
        order = source.order(epoch: epoch)
        nextStep = step
        while promises.count < self.ahead, begin() {}
    }

    /// The batch of the next step; nil after the last.
    func next() -> Batch? {
        guard !promises.isEmpty else { return nil }
        let result = promises.removeFirst().wait()
        _ = begin()
        return result
    }

    private func begin() -> Bool {
        let whole = batch * collective.count
        let first = nextStep * whole
        guard first < order.count else { return false }
        let chosen = order[collective.part(of: first..<min(first + whole, order.count))]
        let promise = Promise()
        let (source, epoch, step) = (source, epoch, nextStep * collective.count + collective.rank)
        queue.async { promise.fulfil(source.batch(chosen, epoch: epoch, step: step)) }
        promises.append(promise)
        nextStep += 1
        return true
    }
}
