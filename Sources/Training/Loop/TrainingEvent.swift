/// What happens in a training run, in order; renderers turn it into progress bars, lines or JSON.
public enum TrainingEvent: Equatable, Sendable {
    case started(Start)
    /// After every step.
    case step(Step)
    /// After the validation at the end of every epoch.
    case epoch(Epoch)
    /// A checkpoint is complete on the disk.
    case saved(slot: RunFolder.Slot, epoch: Int, step: Int)
    /// Stopped as asked, with the position saved.
    case interrupted(epoch: Int, step: Int)
    case finished(Finish)

    public struct Start: Equatable, Sendable, Codable {
        public var network: String
        public var parameters: Int
        public var trainImages: Int
        public var validationImages: Int
        public var epochs: Int
        public var stepsPerEpoch: Int
        /// Epochs and steps that were done before, when the run is resumed.
        public var resumedEpoch: Int
        public var resumedStep: Int
        /// How many train together, each a part of every step; nil for one.
        public var processes: Int?
    }

    public struct Step: Equatable, Sendable, Codable {
        /// Counted from 1.
        public var epoch: Int
        public var step: Int
        public var stepsPerEpoch: Int
        /// Images seen in this epoch.
        public var images: Int
        public var loss: Float
        /// Means over the epoch so far.
        public var meanLoss: Double
        public var accuracy: Double
        public var learningRate: Float
    }

    public struct Epoch: Equatable, Sendable, Codable {
        /// Counted from 1.
        public var epoch: Int
        public var epochs: Int
        public var trainLoss: Double
        public var trainAccuracy: Double
        /// Nil when nothing is held back for validation.
        public var validationLoss: Double?
        public var validationAccuracy: Double?
        public var best: Bool
        /// Of the training steps alone, without validation; nil when nothing was measured.
        public var imagesPerSecond: Double?
        public var seconds: Double

        public init(
            epoch: Int, epochs: Int, trainLoss: Double, trainAccuracy: Double, validationLoss: Double? = nil,
            validationAccuracy: Double? = nil, best: Bool, imagesPerSecond: Double? = nil, seconds: Double
        ) {
            self.epoch = epoch
            self.epochs = epochs
            self.trainLoss = trainLoss
            self.trainAccuracy = trainAccuracy
            self.validationLoss = validationLoss
            self.validationAccuracy = validationAccuracy
            self.best = best
            self.imagesPerSecond = imagesPerSecond
            self.seconds = seconds
        }
    }

    public struct Finish: Equatable, Sendable, Codable {
        /// Epochs that were trained.
        public var epochs: Int
        public var bestEpoch: Int
        public var bestValidationAccuracy: Double?
        /// Hexadecimal SHA-256 of the weights after the last step, and of the best ones.
        public var weightHash: String
        public var bestWeightHash: String
        public var seconds: Double
        /// True when the validation result did not become better any more; nil otherwise.
        public var stoppedEarly: Bool?
    }
}
