import Foundation

/// What is known about one class after all images were classified.
public struct ClassMetrics: Equatable, Sendable, Codable {
    public let label: String
    /// Images that are of the class.
    public let images: Int
    /// Right answers among the answers that named the class; 0 when none did.
    public let precision: Double
    /// Right answers among the images of the class; 0 when there are none.
    public let recall: Double
    /// Harmonic mean of precision and recall.
    public let f1: Double

    public static func all(_ confusion: [[Int]], labels: [String]) -> [ClassMetrics] {
        labels.indices.map { index in
            let right = Double(confusion[index][index])
            let images = confusion[index].reduce(0, +)
            let named = confusion.reduce(0) { $0 + $1[index] }
            let precision = named == 0 ? 0 : right / Double(named)
            let recall = images == 0 ? 0 : right / Double(images)
            let sum = precision + recall
            return ClassMetrics(
                label: labels[index], images: images, precision: precision, recall: recall,
                f1: sum == 0 ? 0 : 2 * precision * recall / sum)
        }
    }
}

/// How well probabilities tell how often answers are right (Guo et al., "On Calibration of Modern Neural Networks", 2017).
public struct Calibration: Equatable, Sendable, Codable {
    /// One of equally wide ranges of the probability of the answer.
    public struct Bin: Equatable, Sendable, Codable {
        public var images = 0
        /// Means over the images of the bin; 0 without any.
        public var confidence = 0.0
        public var accuracy = 0.0
    }

    public let bins: [Bin]
    /// Mean distance of confidence and accuracy of the bins, each counted by its images.
    public let expectedError: Double

    public init(logits: [Float], targets: [UInt8], classes: Int, bins count: Int = 15) {
        var bins = [Bin](repeating: Bin(), count: count)
        for (image, target) in targets.enumerated() {
            let row = logits[(image * classes)..<((image + 1) * classes)]
            let best = Evaluation.best(row)
            let confidence = Calibration.probabilities(row)[best]
            let place = min(Int(confidence * Double(count)), count - 1)
            bins[place].images += 1
            bins[place].confidence += confidence
            bins[place].accuracy += best == Int(target) ? 1 : 0
        }
        var error = 0.0
        for index in bins.indices where bins[index].images > 0 {
            error += abs(bins[index].confidence - bins[index].accuracy)
            bins[index].confidence /= Double(bins[index].images)
            bins[index].accuracy /= Double(bins[index].images)
        }
        self.bins = bins
        expectedError = targets.isEmpty ? 0 : error / Double(targets.count)
    }

    /// Softmax; the same for every class where logits are not finite.
    static func probabilities(_ row: ArraySlice<Float>) -> [Double] {
        let highest = Double(row.max() ?? 0)
        let powers = row.map { exp(Double($0) - highest) }
        let sum = powers.reduce(0, +)
        return powers.map { sum.isFinite ? $0 / sum : 1 / Double(row.count) }
    }
}

/// A wrong answer.
public struct Mistake: Equatable, Sendable {
    /// The place of the image among those that were classified.
    public let image: Int
    public let actual: Int
    public let predicted: Int
    /// Of the class that was named, and of the right one.
    public let confidence: Double
    public let actualProbability: Double

    /// The wrong answers with the least probability for the right class, worst first.
    public static func worst(
        _ count: Int, logits: [Float], targets: [UInt8], classes: Int
    ) -> [Mistake] {
        var all: [(loss: Double, mistake: Mistake)] = []
        for (image, target) in targets.enumerated() {
            let row = logits[(image * classes)..<((image + 1) * classes)]
            let predicted = Evaluation.best(row)
            guard predicted != Int(target) else { continue }
            let probabilities = Calibration.probabilities(row)
            let mistake = Mistake(
                image: image, actual: Int(target), predicted: predicted, confidence: probabilities[predicted],
                actualProbability: probabilities[Int(target)])
            // Tiny probabilities round to equal ones; the distance of the logits still tells them apart.
            let loss = Double(row[row.startIndex + predicted]) - Double(row[row.startIndex + Int(target)])
            all.append((loss, mistake))
        }
        return all.sorted { ($0.loss, $1.mistake.image) > ($1.loss, $0.mistake.image) }.prefix(count).map(
            \.mistake)
    }
}
