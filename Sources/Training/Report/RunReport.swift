import Foundation
import NeuralNetwork

/// What a finished run is worth, as numbers, pictures and one page that needs nothing else.
public struct RunReport {
    /// The numbers, as kept in metrics.json.
    public struct Metrics: Sendable, Codable, Equatable {
        public let split: String
        public let images: Int
        public let accuracy: Double
        public let loss: Double
        public let expectedCalibrationError: Double
        /// Means over the classes.
        public let macroPrecision: Double
        public let macroRecall: Double
        public let macroF1: Double
        public let classes: [ClassMetrics]
        public let confusion: [[Int]]
        public let calibration: Calibration
    }

    public let configuration: RunConfiguration
    public let log: RunLog
    public let images: LabelledImages
    public let metrics: Metrics
    let mistakes: [Mistake]

    /// The files that `write` makes, relative to the folder of the run.
    public static let files = [
        "report.html", "metrics.json", "curves.png", "confusion.png", "calibration.png", "mistakes.png",
    ]

    /// - Parameters:
    ///   - split: what the images are, "test" or "validation".
    ///   - logits: of the best weights, one row for each image.
    public init(
        _ configuration: RunConfiguration, log: RunLog, split: String, images: LabelledImages, logits: [Float]
    ) {
        self.configuration = configuration
        self.log = log
        self.images = images
        let labels = configuration.labels
        let evaluation = Evaluation(logits: logits, targets: images.targets, classes: labels.count)
        let calibration = Calibration(logits: logits, targets: images.targets, classes: labels.count)
        let classes = ClassMetrics.all(evaluation.confusion, labels: labels)
        func mean(_ value: (ClassMetrics) -> Double) -> Double {
            classes.isEmpty ? 0 : classes.reduce(0) { $0 + value($1) } / Double(classes.count)
        }
        metrics = Metrics(
            split: split, images: images.count, accuracy: evaluation.accuracy, loss: evaluation.loss,
            expectedCalibrationError: calibration.expectedError, macroPrecision: mean(\.precision),
            macroRecall: mean(\.recall), macroF1: mean(\.f1), classes: classes,
            confusion: evaluation.confusion,
            calibration: calibration)
        mistakes = Mistake.worst(40, logits: logits, targets: images.targets, classes: labels.count)
    }

    /// Writes the page, the pictures and the numbers into the folder of the run.
    public func write(to folder: RunFolder) throws(RunError) {
        let drawings = [
            ("curves.png", Charts.curves(log.epochs, best: log.bestEpoch?.epoch ?? 0)),
            ("confusion.png", Charts.confusion(metrics.confusion, labels: configuration.labels)),
            ("calibration.png", Charts.calibration(metrics.calibration)),
            ("mistakes.png", Charts.mistakes(mistakes, images, labels: configuration.labels)),
        ]
        for (name, drawing) in drawings {
            do {
                try AtomicFile.write(try Raster.png(drawing), to: folder.path + "/" + name, durable: false)
            } catch let error as RunError {
                throw error
            } catch {
                throw .invalid("\(name) cannot be drawn: \(error)")
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
        guard let json = try? encoder.encode(metrics) else {
            throw .invalid("the figures cannot be written as JSON")
        }
        try AtomicFile.write([UInt8](json) + [0x0a], to: folder.path + "/metrics.json", durable: false)
        let page = ReportPage(report: self, drawings: drawings.map(\.1)).html
        try AtomicFile.write(Array(page.utf8), to: folder.path + "/report.html", durable: false)
    }
}
