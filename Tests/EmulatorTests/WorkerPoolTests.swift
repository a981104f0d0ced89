import Dispatch
import Emulator
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
    private final class Counter: Sendable {
        private let value = Atomic<Int>(0)
        func add(_ more: Int) { value.add(more, ordering: .relaxed) }
        var total: Int { value.load(ordering: .relaxed) }
    }

    /// One thread runs at a time; jobs that wait for a later job must not keep it from running.
    @Test(.timeLimit(.minutes(1))) func longJobsLetOthersRun() async {
        let pool = WorkerPool(name: "test", threads: 4, concurrency: 1)
        let gate = DispatchSemaphore(value: 0)
        let ended = Counter()
        for _ in 0..<3 {
            pool.async {
                gate.wait()
                ended.add(1)
            }
        }
        await pool.run { for _ in 0..<3 { gate.signal() } }
        pool.stop()
        #expect(ended.total == 3)
    }

    @Test func everyJobRunsOnce() async {
        let pool = WorkerPool(name: "test", threads: 3, concurrency: 2)
        let sum = Counter()
        await withTaskGroup(of: Void.self) { group in
            for number in 1...500 {
                group.addTask { await pool.run { sum.add(number) } }
            }
        }
        pool.stop()
        #expect(sum.total == 500 * 501 / 2)
    }
}
