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

    public static let currentFormat = 1

    public var format = currentFormat
    public var toolkitVersion: String
    public var dataset: DatasetRecord
    public var labels: [String]
    public var network: NetworkDescription
    public var zeroPoints: [Int32]
    public var pixelScale: Float
    public var hyperparameters: Hyperparameters

    public var preprocessing: Preprocessing { Preprocessing(zeroPoints: zeroPoints, scale: pixelScale) }

    /// The configuration for training `network` on `dataset`.
    ///
    /// Zero points and scale come from the images that are trained on.
    public init(
        toolkitVersion: String, dataset: Dataset, network: Architecture, hyperparameters: Hyperparameters
    ) throws(RunError) {
        try hyperparameters.validate()
        let split = Split(
            targets: dataset.train.targets, validationFraction: hyperparameters.validationFraction,
            seed: hyperparameters.seed)
        guard !split.train.isEmpty else { throw .invalid("no images are left to train on") }
        let statistics = PixelStatistics(dataset.train, at: split.train)
        self.toolkitVersion = toolkitVersion
        self.dataset = DatasetRecord(dataset)
        labels = dataset.labels
        self.network = NetworkDescription(network)
        zeroPoints = statistics.roundedMeans
        pixelScale = statistics.reciprocalDeviation
        self.hyperparameters = hyperparameters
    }
}

/// What a user may choose about a training run.
public struct Hyperparameters: Equatable, Sendable, Codable {
    public var epochs = 5
    public var batch = 64
    public var learningRate: Float = 0.05
    public var momentum: Float = 0.9
    public var weightDecay: Float = 0.0001
    public var nesterov = false
    public var schedule = Schedule.cosine
    public var validationFraction = 0.1
    public var seed: UInt64 = 1

    public init() {}

    func validate() throws(RunError) {
        func require(_ condition: Bool, _ text: String) throws(RunError) {
            guard condition else { throw .invalid(text) }
        }
        try require(epochs >= 1, "the number of epochs is \(epochs); it must be at least 1")
        try require((1...65_536).contains(batch), "the batch is \(batch); it must be between 1 and 65,536")
        try require(
            learningRate > 0 && learningRate.isFinite,
            "the learning rate is \(learningRate); it must be greater than 0")
        try require(
            (0..<1).contains(momentum), "the momentum is \(momentum); it must be at least 0 and less than 1")
        try require(
            weightDecay >= 0 && weightDecay.isFinite,
            "the weight decay is \(weightDecay); it must be at least 0")
        try require(
            (0...0.9).contains(validationFraction),
            "the validation fraction is \(validationFraction); it must be between 0 and 0.9")
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
