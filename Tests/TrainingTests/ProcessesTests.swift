import Foundation
import NeuralNetwork
import Testing
import Training

/// Threads in place of processes: each is one of a collective, and sums are made in order of their numbers.
final class ThreadCollective: Collective {
    private final class Table: @unchecked Sendable {
        let condition = NSCondition()
        let count: Int
        private var arrived = 0
        private var round = 0
        private var parts: [[Double]]
        private var result: [Double] = []

        init(_ count: Int) {
            self.count = count
            parts = [[Double]](repeating: [], count: count)
        }

        /// What `combine` makes of what every thread gives.
        func exchange(_ part: [Double], rank: Int, _ combine: ([[Double]]) -> [Double]) -> [Double] {
            condition.lock()
            defer { condition.unlock() }
            let mine = round
            parts[rank] = part
            arrived += 1
            if arrived == count {
                result = combine(parts)
                (arrived, round) = (0, round + 1)
                condition.broadcast()
            }
            while round == mine { condition.wait() }
            return result
        }
    }

    private final class Box<Result>: @unchecked Sendable {
        var results: [Swift.Result<Result, any Error>?]

        init(_ count: Int) { results = Array(repeating: nil, count: count) }
    }

    let rank: Int
    let count: Int
    private let table: Table
    private(set) var exchanges = 0

    private init(_ table: Table, rank: Int) {
        self.table = table
        self.rank = rank
        count = table.count
    }

    func sum(_ numbers: UnsafeMutableBufferPointer<Float>) {
        exchanges += 1
        // In binary32, as a library does it.
        let sums = table.exchange(numbers.map(Double.init), rank: rank) { parts in
            parts[0].indices.map { place in
                Double(parts.dropFirst().reduce(Float(parts[0][place])) { $0 + Float($1[place]) })
            }
        }
        for i in 0..<numbers.count { numbers[i] = Float(sums[i]) }
    }

    func sum(_ numbers: UnsafeMutableBufferPointer<Double>) {
        let sums = table.exchange(Array(numbers), rank: rank) { parts in
            parts[0].indices.map { place in parts.reduce(0) { $0 + $1[place] } }
        }
        for i in 0..<numbers.count { numbers[i] = sums[i] }
    }

    func broadcast(_ bytes: inout [UInt8]) {
        bytes = table.exchange(bytes.map(Double.init), rank: rank) { $0[0] }.map { UInt8($0) }
    }

    /// What `body` gives in each of `count` threads, in order; the first error is thrown.
    static func run<Result: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (ThreadCollective) throws -> Result
    ) throws -> [Result] {
        let (table, box) = (Table(count), Box<Result>(count))
        let done = DispatchSemaphore(value: 0)
        for rank in 0..<count {
            let thread = Thread {
                let result = Swift.Result { try body(ThreadCollective(table, rank: rank)) }
                table.condition.lock()
                box.results[rank] = result
                table.condition.unlock()
                done.signal()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        for _ in 0..<count { done.wait() }
        return try box.results.compactMap { try $0?.get() }
    }
}

@Suite struct ProcessesTests {
    /// What one process of a run has at its end.
    struct Result: Sendable {
        var outcome: TrainingLoop.Outcome
        var epochs: [TrainingEvent.Epoch] = []
        var losses: [Float] = []
        var checkpoint: Checkpoint?
        var exchanges = 0
    }

    static func configuration(
        processes: Int, batch: Int, executor: ExecutorKind = .portable, layers: [Layer]? = nil,
        also change: (inout Hyperparameters) throws -> Void = { _ in }
    ) throws -> RunConfiguration {
        var result = try TrainingLoopTests.configuration(executor: executor) { hyper in
            hyper.batch = batch
            try change(&hyper)
        }
        if let layers {
            var architecture = try result.network.architecture()
            architecture.layers = layers
            result.network = NetworkDescription(architecture)
        }
        result.processes = processes == 1 ? nil : processes
        return result
    }

    /// Trains in threads; `stops` end the process of that number after that many steps, then all resume.
    static func train(_ configuration: RunConfiguration, stops: [(rank: Int, step: Int)] = []) throws -> [Result] {
        let temporary = try TemporaryFolder()
        let run = try RunFolder.create(temporary.path + "/run", configuration: configuration, force: false)
        var results: [Result] = []
        for stop in stops.map(Optional.some) + [nil] {
            let checkpoint = try run.load(.last, for: configuration)
            results = try ThreadCollective.run(configuration.processes ?? 1) { collective in
                let loop = try TrainingLoop(
                    configuration, dataset: TrainingLoopTests.dataset, folder: collective.rank == 0 ? run : nil,
                    checkpoint: checkpoint, workers: .serial, collective: collective)
                var result = Result(outcome: .interrupted)
                result.outcome = try loop.run(
                    shouldStop: { stop.map { $0.rank == collective.rank && result.losses.count >= $0.step } ?? false },
                    observe: { event in
                        if case .step(let step) = event { result.losses.append(step.loss) }
                        if case .epoch(let epoch) = event { result.epochs.append(epoch) }
                    })
                result.exchanges = collective.exchanges
                return result
            }
            if let stop {
                #expect(results.allSatisfy { $0.outcome == .interrupted })
                // The request is part of the next exchange.
                #expect(results.allSatisfy { $0.losses.count == max(stop.step, 1) + (stop.step > 0 ? 1 : 0) })
            }
        }
        results[0].checkpoint = try run.load(.last, for: configuration)
        withExtendedLifetime(temporary) {}
        return results
    }

    static func hash(_ result: Result) -> String? {
        if case .finished(let finish) = result.outcome { finish.weightHash } else { nil }
    }

    @Test(arguments: [1, 2, 3, 7])
    func partsAreDisjointAndWhole(count: Int) throws {
        for length in 0...20 {
            let parts = try ThreadCollective.run(count) { $0.part(of: 5..<5 + length) }
            #expect(parts.flatMap { Array($0) } == Array(5..<5 + length))
            let sizes = parts.map(\.count)
            #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
        }
    }

    /// 120 images: 7 whole steps of 16 and one of 8; 4 of 28 and one of 8; 4 of 27 and one of 12; 17 of 7 and one of 1
    /// for 7 processes, six of which have none.
    @Test(arguments: [(2, 8), (4, 7), (3, 9), (7, 1)], [ExecutorKind.portable, .accelerated])
    func processesAreOneWithTheWholeBatch(sizes: (processes: Int, batch: Int), executor: ExecutorKind) throws {
        let (processes, batch) = sizes
        let one = try ProcessesTests.train(
            try ProcessesTests.configuration(processes: 1, batch: processes * batch, executor: executor))[0]
        let all = try ProcessesTests.train(
            try ProcessesTests.configuration(processes: processes, batch: batch, executor: executor))
        let first = all[0]
        #expect(first.losses.count == one.losses.count)
        // Sums in another order: an ulp or two of each gradient, step after step.
        for (a, b) in zip(first.losses, one.losses) { #expect(abs(a - b) < 1e-4) }
        for (a, b) in zip(first.epochs, one.epochs) {
            #expect(abs(a.trainLoss - b.trainLoss) < 1e-4)
            #expect(abs(a.trainAccuracy - b.trainAccuracy) < 0.01)
            #expect(abs(try #require(a.validationLoss) - (try #require(b.validationLoss))) < 1e-4)
        }
        // One exchange a step, and the same weights and figures everywhere.
        #expect(all.allSatisfy { $0.exchanges == one.losses.count })
        for other in all.dropFirst() {
            #expect(other.losses == first.losses)
            #expect(ProcessesTests.hash(other) == ProcessesTests.hash(first))
            #expect(other.epochs.map(\.validationLoss) == first.epochs.map(\.validationLoss))
            #expect(other.checkpoint == nil)
        }
        #expect(first.checkpoint?.header.epoch == 3)
    }

    /// Clipping, averaging, Adam, mixing and what one process does alone when the others have no images left.
    @Test(arguments: [ExecutorKind.portable, .accelerated])
    func everythingResumesWithTheSameBits(executor: ExecutorKind) throws {
        let configuration = try ProcessesTests.configuration(
            processes: 3, batch: 7, executor: executor,
            layers: [
                .conv2d(filters: 4, kernel: 3, stride: 1, padding: 1), .batchNorm(), .relu,
                .maxPool2d(window: 2, stride: 2), .flatten, .dropout(rate: 0.2), .dense(units: 4),
            ], also: TrainingLoopTests.everything)
        let whole = try ProcessesTests.train(configuration)
        let parts = try ProcessesTests.train(configuration, stops: [(0, 3), (2, 4), (1, 1)])
        #expect(whole[0].checkpoint?.parameters == parts[0].checkpoint?.parameters)
        #expect(whole[0].checkpoint?.optimizerState == parts[0].checkpoint?.optimizerState)
        #expect(ProcessesTests.hash(whole[0]) == ProcessesTests.hash(parts[1]))
        #expect(ProcessesTests.hash(whole[0]) != nil)
        #expect(whole[0].losses.allSatisfy { $0.isFinite })
    }

    /// The length of the gradient is that of the mean over all, so that clipping does the same in one process.
    @Test func theWholeGradientIsClipped() throws {
        func losses(_ processes: Int, _ batch: Int) throws -> [Float] {
            try ProcessesTests.train(
                try ProcessesTests.configuration(processes: processes, batch: batch) { hyper in
                    (hyper.clip, hyper.averaging, hyper.optimizer, hyper.learningRate) = (0.05, 0.9, .sgd, 0.1)
                })[0].losses
        }
        let (one, two) = (try losses(1, 20), try losses(2, 10))
        let free = try ProcessesTests.train(
            try ProcessesTests.configuration(processes: 1, batch: 20) { $0.learningRate = 0.1 })[0].losses
        for (a, b) in zip(one, two) { #expect(abs(a - b) < 1e-4) }
        #expect(zip(one, free).contains { abs($0 - $1) > 0.01 })
    }

    /// A loss that is no number stops every process, with the place that one of them knows.
    @Test func divergenceStopsAll() throws {
        let configuration = try ProcessesTests.configuration(processes: 2, batch: 8) { $0.learningRate = 1e30 }
        let errors = try ThreadCollective.run(2) { collective -> Divergence? in
            let loop = try TrainingLoop(
                configuration, dataset: TrainingLoopTests.dataset, folder: nil, workers: .serial,
                collective: collective)
            do {
                _ = try loop.run { _ in }
                return nil
            } catch RunError.diverged(let divergence) {
                return divergence
            }
        }
        #expect(errors[0] != nil)
        #expect(errors[0] == errors[1])
        #expect(errors[0]?.place != nil)
    }

    /// What only one process knows becomes what all know.
    @Test func collectiveAnswersAreTheSame() throws {
        let agreed = try ThreadCollective.run(3) { $0.agree(on: [1, UInt8($0.rank == 2 ? 3 : 2)]) }
        #expect(agreed == [false, false, false])
        #expect(try ThreadCollective.run(3) { $0.agree(on: [1, 2]) } == [true, true, true])
        #expect(try ThreadCollective.run(3) { $0.sum([Double($0.rank), 1]) } == Array(repeating: [3, 3], count: 3))
        let alone = Alone()
        #expect(alone.part(of: 3..<9) == 3..<9)
        #expect(alone.sum([4]) == [4])
        #expect(alone.agree(on: [5]))
    }
}
