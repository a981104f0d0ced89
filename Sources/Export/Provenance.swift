import Foundation
import Inference
import Training

/// Where a model comes from: the JSON inside a .deai file.
///
/// No dates and no machine names, so that the same run gives the same bytes.
public struct Provenance: Equatable, Sendable, Codable {
    public struct DatasetPart: Equatable, Sendable, Codable {
        public var name: String
        public var sha256: String
        public var trainImages: Int
        public var testImages: Int
        /// Whether images that cannot be read were left out; nil for no.
        public var skipsUnreadable: Bool?
    }

    public struct CalibrationPart: Equatable, Sendable, Codable {
        public var method: String
        public var images: Int
        public var levels: Int
        /// Whether biases make up for rounded weights; nil in files from before there was a choice: they do not.
        public var biasCorrection: Bool?
        /// Whether channels were evened out; nil in files from before there was a choice: they were not.
        public var equalisation: Bool?
        /// Nil for 8.
        public var weightBits: Int?

        /// The method and what was done besides.
        public var summary: String {
            method + (biasCorrection == true ? " + bias correction" : "")
                + (equalisation == true ? " + equalisation" : "")
                + (weightBits.map { ", \($0)-bit weights" } ?? "")
        }
    }

    public var toolkit: String
    public var dataset: DatasetPart
    public var network: String
    public var hyperparameters: Hyperparameters
    /// What computed the training; nil means the portable executor, whose runs repeat to the bit everywhere.
    public var executor: ExecutorKind?
    /// Hexadecimal SHA-256 of the float weights that were quantised.
    public var weightHash: String
    /// Epochs these weights were trained for.
    public var epoch: Int
    public var calibration: CalibrationPart
    /// Nil when the model was quantised after training alone.
    public var fineTuning: FineTuning?
    /// Nil when there was nothing to measure on.
    public var accuracy: AccuracyReport?

    /// The bytes that go into the file.
    public func encoded() throws(ExportError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else {
            throw .unsupported("the provenance record cannot be written as JSON")
        }
        return [UInt8](data)
    }

    /// The record in a model; nil when another tool wrote something else there.
    public init?(_ model: QuantizedModel) {
        guard let decoded = try? JSONDecoder().decode(Provenance.self, from: Data(model.provenance)) else {
            return nil
        }
        self = decoded
    }

    init(
        _ configuration: RunConfiguration, epoch: Int, weightHash: String, calibration: CalibrationPart,
        fineTuning: FineTuning?, accuracy: AccuracyReport?
    ) {
        toolkit = "deai-train " + configuration.toolkitVersion
        dataset = DatasetPart(
            name: configuration.dataset.name, sha256: configuration.dataset.sha256,
            trainImages: configuration.dataset.trainImages, testImages: configuration.dataset.testImages,
            skipsUnreadable: configuration.skipsUnreadable)
        network = configuration.network.summary
        executor = configuration.executor
        hyperparameters = configuration.hyperparameters
        self.weightHash = weightHash
        self.epoch = epoch
        self.calibration = calibration
        self.fineTuning = fineTuning
        self.accuracy = accuracy
    }
}

/// How the float and the integer network compare on the same images.
public struct AccuracyReport: Equatable, Sendable, Codable {
    /// `test` or `validation`.
    public var split: String
    public var images: Int
    public var floatAccuracy: Double
    public var int8Accuracy: Double
    /// The share of images for which both give the same class, right or wrong.
    public var agreement: Double

    public init(split: String, targets: [UInt8], classes: Int, floatLogits: [Float], int8Logits: [Int32]) {
        let count = targets.count
        var (floatCorrect, int8Correct, same) = (0, 0, 0)
        for image in 0..<count {
            let row = (image * classes)..<((image + 1) * classes)
            let a = Evaluation.best(floatLogits[row])
            let b = Prediction.best(logits: int8Logits[row])
            if a == Int(targets[image]) { floatCorrect += 1 }
            if b == Int(targets[image]) { int8Correct += 1 }
            if a == b { same += 1 }
        }
        let total = Double(max(count, 1))
        self.split = split
        images = count
        floatAccuracy = Double(floatCorrect) / total
        int8Accuracy = Double(int8Correct) / total
        agreement = Double(same) / total
    }
}
