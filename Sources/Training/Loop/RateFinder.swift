import Foundation
import Kernels
import NeuralNetwork

/// Tries growing learning rates on a fresh network (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017).
public struct RateFinder {
    public struct Point: Equatable, Sendable, Codable {
        public let learningRate: Float
        public let loss: Float
        /// Exponential mean, corrected for its start.
        public let smoothed: Double

        public init(learningRate: Float, loss: Float, smoothed: Double) {
            self.learningRate = learningRate
            self.loss = loss
            self.smoothed = smoothed
        }
    }

    public struct Result: Equatable, Sendable, Codable {
        public let points: [Point]
        /// A tenth of the rate with the least smoothed loss, or the rate of the steepest fall where that is less (easy
        /// data are learnt by heart before any rate is too high).
        public let suggestion: Float
        /// Where the smoothed loss falls most for a step of the rate's logarithm.
        public let steepest: Float
        /// Whether the loss grew to four times its least, or past all bounds, before the last rate.
        public let diverged: Bool
    }

    private let configuration: RunConfiguration
    private let dataset: Dataset
    private let workers: Workers

    public init(_ configuration: RunConfiguration, dataset: Dataset, workers: Workers) {
        self.configuration = configuration
        self.dataset = dataset
        self.workers = workers
    }

    /// Takes `steps` steps with rates from `low` to `high`, evenly in their logarithm; nothing is kept.
    public func run(
        from low: Float, to high: Float, steps: Int, observe: (Point) -> Void = { _ in }
    ) throws(RunError) -> Result {
        guard low > 0, high > low, high.isFinite, (10...1_000_000).contains(steps) else {
            throw .invalid(
                "the rates must grow from above 0 in 10 to 1000000 steps; found \(low) to \(high) in \(steps)")
        }
        let hyper = configuration.hyperparameters
        let split = Split(
            targets: dataset.train.targets, validationFraction: hyper.validationFraction, seed: hyper.seed)
        let batch = min(hyper.batch, split.train.count)
        let source = BatchSource(
            dataset.train, indexes: split.train, classes: dataset.labels.count, hyperparameters: hyper,
            zeroPoints: configuration.zeroPoints)
        let learner = try Engines.learner(
            configuration.executor ?? .portable,
            try Engines.network(try configuration.network.architecture()),
            configuration.preprocessing, batch: batch,
            optimizer: hyper.rule, seed: Seeds.derive(hyper.seed, .parameters), workers: workers)
        learner.options = hyper.stepOptions
        var points: [Point] = []
        var (mean, least) = (0.0, Double.infinity)
        var epoch = 0
        var loader = BatchLoader(source, epoch: 0, from: 0, batch: batch, ahead: workers.count + 1)
        for step in 0..<steps {
            if let loaded = loader.next() {
                let rate = low * pow(high / low, Float(step) / Float(steps - 1))
                learner.optimizer.learningRate = rate
                let loss: Float
                do {
                    loss = try learner.step(loaded).loss
                } catch .notFinite {
                    return RateFinder.result(points, diverged: true)
                } catch {
                    throw .invalid(error.explanation)
                }
                mean = 0.9 * mean + 0.1 * Double(loss)
                let smoothed = mean / (1 - pow(0.9, Double(step + 1)))
                least = min(least, smoothed)
                points.append(Point(learningRate: rate, loss: loss, smoothed: smoothed))
                observe(points[step])
                if smoothed > 4 * least { return RateFinder.result(points, diverged: true) }
            }
            if (step + 1) % ((split.train.count + batch - 1) / batch) == 0 {
                epoch += 1
                loader = BatchLoader(source, epoch: epoch, from: 0, batch: batch, ahead: workers.count + 1)
            }
        }
        return RateFinder.result(points, diverged: false)
    }

    /// The advice that some points give.
    public static func result(_ points: [Point], diverged: Bool) -> Result {
        let best = points.indices.min { points[$0].smoothed < points[$1].smoothed } ?? 0
        var steepest = best
        var slope = 0.0
        // Slopes over a span of points, so that one lucky batch does not decide.
        let span = max(points.count / 20, 1)
        for index in points.indices.dropFirst(span) where index <= best {
            let fall = points[index].smoothed - points[index - span].smoothed
            if fall < slope { (slope, steepest) = (fall, index - span / 2) }
        }
        guard !points.isEmpty else {
            return Result(points: [], suggestion: 0, steepest: 0, diverged: diverged)
        }
        return Result(
            points: points, suggestion: min(points[best].learningRate / 10, points[steepest].learningRate),
            steepest: points[steepest].learningRate, diverged: diverged)
    }

    /// Writes the curve as a PNG file.
    public static func plot(_ result: Result, to path: String) throws(RunError) {
        do {
            try AtomicFile.write(try Raster.png(Charts.rates(result)), to: path, durable: false)
        } catch let error as RunError {
            throw error
        } catch {
            throw .invalid("\(path) cannot be drawn: \(error)")
        }
    }
}
