import Acceleration
import Foundation
import NeuralNetwork

/// Everything that determines the result of a run; kept as config.json in its folder.
public struct RunConfiguration: Equatable, Sendable, Codable {
    /// The data set as it was when the run began.
    public struct DatasetRecord: Equatable, Sendable, Codable {
        public var name: String
        /// The absolute path of its folder.
        public var location: String
        /// Hexadecimal `Dataset.contentHash()`.
        public var sha256: String
        public var trainImages: Int
        public var testImages: Int

        public init(_ dataset: Dataset) {
            name = dataset.name
            location = URL(fileURLWithPath: dataset.location).standardizedFileURL.path
            sha256 = hexadecimal(dataset.contentHash())
            trainImages = dataset.train.count
            testImages = dataset.test?.count ?? 0
        }
    }

    /// Weights that a run began with.
    public struct StartingRecord: Equatable, Sendable, Codable {
        /// The run folder or file, as it was named.
        public var source: String
        /// Hexadecimal hash of the weights as the run took them.
        public var weightHash: String
        /// Classes whose part of the last layer came along.
        public var knownClasses: Int
    }

    public static let currentFormat = 1

    public var format = currentFormat
    public var toolkitVersion: String
    public var dataset: DatasetRecord
    public var labels: [String]
    public var network: NetworkDescription
    public var zeroPoints: [Int32]
    public var pixelScale: Float
    public var hyperparameters: Hyperparameters
    /// What computes; nil in runs from before there was a choice: the portable executor.
    public var executor: ExecutorKind?

    /// Processes that train together, each with `hyperparameters.batch` images of a step; nil for one.
    public var processes: Int?

    /// Where the first weights came from, when not from the seed.
    public var startingWeights: StartingRecord?

    /// Whether images that cannot be read are left out; nil for no.
    public var skipsUnreadable: Bool?

    /// How the data set of the run is read, again as at first.
    public var unreadable: ImageFolder.Unreadable { skipsUnreadable == true ? .skip : .stop }

    public var preprocessing: Preprocessing { Preprocessing(zeroPoints: zeroPoints, scale: pixelScale) }

    /// The configuration for training `network` on `dataset`.
    ///
    /// - Parameters:
    ///   - preprocessing: that of weights to begin with; nil takes it from the images that are trained on.
    ///   - processes: how many train together.
    ///   - unreadable: what `dataset` was read with.
    public init(
        toolkitVersion: String, dataset: Dataset, network: Architecture, hyperparameters: Hyperparameters,
        executor: ExecutorKind = .portable, preprocessing: Preprocessing? = nil,
        processes: Int = 1, unreadable: ImageFolder.Unreadable = .stop
    ) throws(RunError) {
        try hyperparameters.validate()
        if executor == .accelerated, let failure = AccelerationSupport.failure {
            throw .unavailable("\(AccelerationError.missing(reason: failure))")
        }
        try Engines.network(network).check(batch: hyperparameters.batch)
        let split = Split(
            targets: dataset.train.targets, validationFraction: hyperparameters.validationFraction,
            seed: hyperparameters.seed)
        guard !split.train.isEmpty else { throw .invalid("no images are left to train on") }
        self.toolkitVersion = toolkitVersion
        self.dataset = DatasetRecord(dataset)
        labels = dataset.labels
        self.network = NetworkDescription(network)
        if let preprocessing {
            zeroPoints = preprocessing.zeroPoints
            pixelScale = preprocessing.scale
        } else {
            let statistics = PixelStatistics(dataset.train, at: split.train)
            zeroPoints = statistics.roundedMeans
            pixelScale = statistics.reciprocalDeviation
        }
        self.hyperparameters = hyperparameters
        self.executor = executor == .portable ? nil : executor
        self.processes = processes == 1 ? nil : processes
        skipsUnreadable = unreadable == .skip ? true : nil
    }
}

/// Mean and spread of pixels, in exact integer sums so that they are the same everywhere.
struct PixelStatistics {
    /// Per channel, to the nearest integer.
    let roundedMeans: [Int32]
    /// 1 / standard deviation over all channels (of the distance to the channel's mean), in pixel units.
    let reciprocalDeviation: Float

    init(_ images: LabelledImages, at indexes: [Int32]) {
        let channels = images.geometry.channels
        let size = images.geometry.byteCount
        var histogram = [[Int]](repeating: [Int](repeating: 0, count: 256), count: channels)
        images.pixels.withUnsafeBufferPointer { pixels in
            for index in indexes {
                let start = Int(index) * size
                for channel in 0..<channels {
                    histogram[channel].withUnsafeMutableBufferPointer { counts in
                        for at in stride(from: start + channel, to: start + size, by: channels) {
                            counts[Int(pixels[at])] += 1
                        }
                    }
                }
            }
        }
        let count = indexes.count * size / channels
        var variance = 0.0
        roundedMeans = histogram.map { counts in
            let sum = counts.enumerated().reduce(0) { $0 + $1.offset * $1.element }
            let squares = counts.enumerated().reduce(0) { $0 + $1.offset * $1.offset * $1.element }
            let mean = Double(sum) / Double(count)
            variance += Double(squares) / Double(count) - mean * mean
            return Int32(mean.rounded())
        }
        let deviation = (variance / Double(channels)).squareRoot()
        // A data set of one flat colour has no spread; it is left in pixel units.
        reciprocalDeviation = deviation > 1e-6 ? Float(1 / deviation) : 1 / 255
    }
}
