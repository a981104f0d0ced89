import Foundation

/// Threads with stacks large enough for Wasm, fed from one queue; the cooperative pool never runs Wasm.
package final class WorkerPool: TaskExecutor, @unchecked Sendable {
    /// Set on the threads of every pool.
    private static let mark: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// Whether this thread is one of a pool and so may run Wasm.
    static var isCurrent: Bool { pthread_getspecific(mark) != nil }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// Workers wait at the first, the watch at the second, `stop` at the third.
    private let conditions = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 3)
    // Guarded by `mutex`.
    private var jobs: [@Sendable () -> Void] = []
    private var head = 0
    private var stopping = false
    private var running: Int
    /// Workers that run jobs or were told to.
    private var active = 0
    /// Workers that were told to run jobs and have not woken yet.
    private var granted = 0
    /// Jobs begun, which tells the watch whether anything moves.
    private var begun: UInt64 = 0
    private var watchWaits = false
    /// Workers beyond `concurrency` that may be active, because long jobs hold that many.
    private var extra = 0
    /// Jobs begun when the last of those was allowed: the long ones are among them.
    private var longUntil: UInt64 = 0

    private let threads: Int
    private let concurrency: Int

    /// Starts `threads` threads, of which `concurrency` run at a time while jobs are short.
    ///
    /// A thread that finds a job when it ends one costs less than another that is woken for it. When no job began
    /// for two milliseconds and some wait, one more thread may run: long jobs do not keep short ones waiting.
    package init(name: String, threads: Int, concurrency: Int? = nil) {
        self.threads = threads
        self.concurrency = min(threads, concurrency ?? threads)
        running = threads
        pthread_mutex_init(mutex, nil)
        for index in 0..<3 { pthread_cond_init(conditions + index, nil) }
        for index in 0..<threads { start("\(name)-\(index)") { [self] in work() } }
        guard self.concurrency < threads else { return }
        running += 1
        start("\(name)-watch") { [self] in watch() }
    }

    deinit {
        for index in 0..<3 { pthread_cond_destroy(conditions + index) }
        pthread_mutex_destroy(mutex)
        conditions.deallocate()
        mutex.deallocate()
    }

    private func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = name
        thread.stackSize = 16 << 20
        thread.start()
    }

    package func async(_ job: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        jobs.append(job)
        if active < concurrency + extra {
            grant()
        } else if watchWaits {
            watchWaits = false
            pthread_cond_signal(conditions + 1)
        }
        pthread_mutex_unlock(mutex)
    }

    /// Tells one more worker to run jobs. Call with the mutex held.
    private func grant() {
        active += 1
        granted += 1
        pthread_cond_signal(conditions)
    }

    /// Runs a part of a task; a task that yields goes behind all jobs that wait.
    package func enqueue(_ job: consuming ExecutorJob) {
        let part = UnownedJob(job)
        async { part.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Runs `body` on a pool thread and returns its value.
    package func run<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in
            async { continuation.resume(returning: body()) }
        }
    }

    private func work() {
        pthread_setspecific(Self.mark, UnsafeRawPointer(mutex))
        pthread_mutex_lock(mutex)
        while true {
            while granted == 0, !stopping { pthread_cond_wait(conditions, mutex) }
            if granted > 0 { granted -= 1 } else { active += 1 }
            while head < jobs.count, active <= concurrency + extra || stopping {
                let job = jobs[head]
                head += 1
                if head == jobs.count || head > 4096 {
                    jobs.removeFirst(head)
                    head = 0
                }
                begun &+= 1
                let number = begun
                pthread_mutex_unlock(mutex)
                job()
                pthread_mutex_lock(mutex)
                if extra > 0, number <= longUntil { extra -= 1 }
            }
            active -= 1
            if stopping, head == jobs.count { break }
        }
        leave()
    }

    private func watch() {
        pthread_mutex_lock(mutex)
        while !stopping {
            if head == jobs.count {
                watchWaits = true
                pthread_cond_wait(conditions + 1, mutex)
                continue
            }
            let before = begun
            pthread_mutex_unlock(mutex)
            usleep(2_000)
            pthread_mutex_lock(mutex)
            guard begun == before, head < jobs.count, active < threads else { continue }
            extra += 1
            longUntil = begun
            grant()
        }
        leave()
    }

    /// The last step of a thread, which holds the mutex.
    private func leave() {
        running -= 1
        pthread_cond_broadcast(conditions + 2)
        pthread_mutex_unlock(mutex)
    }

    /// Lets queued jobs finish and ends the threads; returns when they ended.
    package func stop() {
        pthread_mutex_lock(mutex)
        endWhenDone()
        while running > 0 { pthread_cond_wait(conditions + 2, mutex) }
        pthread_mutex_unlock(mutex)
    }

    /// As `stop`, without waiting: a thread of the pool may ask for it.
    func finish() {
        pthread_mutex_lock(mutex)
        endWhenDone()
        pthread_mutex_unlock(mutex)
    }

    private func endWhenDone() {
        stopping = true
        pthread_cond_broadcast(conditions)
        pthread_cond_broadcast(conditions + 1)
    }
}
