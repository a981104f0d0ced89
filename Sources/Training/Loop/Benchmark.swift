import Acceleration
import Foundation
import Kernels
import NeuralNetwork

/// Measures how fast a network learns and answers, on random pixels.
public struct Benchmark {
    public struct Speed: Sendable {
        /// The best of three windows.
        public let imagesPerSecond: Double
        /// Processor time of one step, all threads together, the least of the windows.
        public let processorMicroseconds: Double
    }

    /// Calls of one kind in a training step.
    public struct Call: Sendable, Encodable {
        public let name: String
        public let calls: Int
        /// Of all of them in one step.
        public let microseconds: Double
    }

    public let executor: ExecutorKind
    private let network: Network
    private let batch: Int
    private let workers: Workers
    private let seconds: Double
    private let pixels: [UInt8]
    private let labels: [UInt8]
    private let preprocessing: Preprocessing

    /// - Parameter seconds: of a window.
    public init(
        _ architecture: Architecture, executor: ExecutorKind, batch: Int, threads: Int, seconds: Double
    ) throws(RunError) {
        network = try Engines.network(architecture)
        try network.check(batch: batch)
        self.executor = executor
        self.batch = batch
        self.seconds = seconds
        workers = threads == 1 ? .serial : .threads(threads)
        preprocessing = Preprocessing(
            zeroPoints: [Int32](repeating: 73, count: architecture.inputChannels), scale: 1 / 90)
        var random = SplitMix64(seed: 1)
        pixels = (0..<batch * network.architecture.inputCount).map { _ in UInt8(random.index(below: 256)) }
        labels = (0..<batch).map { _ in UInt8(random.index(below: architecture.classes)) }
    }

    /// Operations on numbers for one image with direct convolutions: two for each multiplication and addition.
    public var inferenceOperations: Double { 2 * Double(network.multiplyAccumulates) }

    /// The same for a training step: forward and two gradients, but none with respect to the pixels.
    public var trainingOperations: Double {
        let first = network.steps.first { $0.multiplyAccumulates > 0 }?.multiplyAccumulates ?? 0
        return 2 * Double(3 * network.multiplyAccumulates - first)
    }

    /// Floating-point operations a second that the machine can do with these threads; nil without the library.
    public func peak() throws -> Double? {
        guard AccelerationSupport.isAvailable else { return nil }
        return try Peak.flops(threads: workers.count)
    }

    public func training() throws -> Speed {
        let learner = try Engines.learner(
            executor, network, preprocessing, batch: batch, optimizer: .sgd(SGD(learningRate: 0.01, momentum: 0.9)),
            seed: 1, workers: workers)
        let whole = Batch(pixels: pixels, labels: labels, targets: nil)
        return try measure(images: batch) { _ = try learner.step(whole) }
    }

    public func inference(images: Int) throws -> Speed {
        let evaluator = try Engines.evaluator(executor, network, preprocessing, batch: images, workers: workers)
        let variables = network.initialParameters(seed: 1) + network.initialState()
        return try measure(images: images) {
            _ = try pixels.withUnsafeBufferPointer {
                try evaluator.logits(
                    pixels: UnsafeBufferPointer(rebasing: $0[..<(images * network.architecture.inputCount)]),
                    count: images, parameters: variables)
            }
        }
    }

    /// The time of each kind of call in a training step, the longest first; none on the portable executor.
    public func profile() throws -> [Call] {
        guard executor == .accelerated else { return [] }
        let learner = try AcceleratedLearner(
            network: network, preprocessing: preprocessing, batch: batch,
            optimizer: SGD(learningRate: 0.01, momentum: 0.9), seed: 1, threads: workers.count, separately: true)
        let whole = Batch(pixels: pixels, labels: labels, targets: nil)
        for _ in 0..<3 { _ = try learner.step(whole) }
        let names = learner.executor.stepNames.map(\.name)
        var least = [Double](repeating: .infinity, count: names.count)
        for _ in 0..<10 {
            for index in names.indices {
                let start = ContinuousClock.now
                learner.executor.run(step: index)
                least[index] = min(least[index], (ContinuousClock.now - start) / .microseconds(1))
            }
        }
        var found: [String: (calls: Int, microseconds: Double)] = [:]
        for (name, time) in zip(names, least) {
            let before = found[name] ?? (0, 0)
            found[name] = (before.calls + 1, before.microseconds + time)
        }
        return found.map { Call(name: $0.key, calls: $0.value.calls, microseconds: $0.value.microseconds) }
            .sorted { ($0.microseconds, $1.name) > ($1.microseconds, $0.name) }
    }

    private func measure(images: Int, _ step: () throws -> Void) throws -> Speed {
        for _ in 0..<5 { try step() }
        var (best, least) = (0.0, Double.infinity)
        for _ in 0..<3 {
            let (start, used) = (ContinuousClock.now, Benchmark.processorTime())
            var (steps, elapsed) = (0, 0.0)
            repeat {
                try step()
                steps += 1
                elapsed = (ContinuousClock.now - start) / .seconds(1)
            } while elapsed < seconds
            best = max(best, Double(images * steps) / elapsed)
            least = min(least, 1e6 * (Benchmark.processorTime() - used) / Double(steps))
        }
        return Speed(imagesPerSecond: best, processorMicroseconds: least)
    }

    /// Seconds of the whole process, in user code.
    private static func processorTime() -> Double {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        return Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) * 1e-6
    }
}
