import ArgumentParser
import Export
import Foundation
import Inference
import Training

/// `deai-train export`: makes a .deai file of a run.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Quantise a run to int8 and write one .deai file.",
        discussion: "The same run and settings give the same bytes.")

    @Argument(help: ArgumentHelp("The run folder.", valueName: "run"))
    var runPath: String

    @Flag(help: "Int8 weights and activations; this is the default.")
    var int8 = false

    @Option(name: .shortAndLong, help: "The file to write. Default: model.deai in the run folder.")
    var output: String?

    @OptionGroup var interchange: InterchangeOptions

    @Option(
        help:
            "Activation ranges: auto (best on the validation images), minmax, mse, percentile or percentile:SHARE."
    )
    var calibration = "auto"

    @Option(help: "Training images to calibrate on, at most.")
    var calibrationImages = 2_000

    @Option(help: ArgumentHelp("Whether biases make up for rounded weights: auto (measured), yes or no.", valueName: "choice"))
    var biasCorrection = Choice.auto

    @Option(
        help: ArgumentHelp(
            "Whether channels are evened out between layers: auto (measured, in networks with depthwise layers), yes or no.",
            valueName: "choice"))
    var equalisation = Choice.auto

    @Option(
        help:
            "8bit, or 4bit: −7…7 in convolutions and dense layers, but the first and the last, and in no depthwise one. Needs --qat to keep its accuracy."
    )
    var weights = Weights.eight

    @Option(help: "Epochs of quantisation-aware fine-tuning behind it; 0 for none.")
    var qat = 0

    @Option(help: "How far a weight moves in a step of fine-tuning at first, in 127ths of the largest of its channel.")
    var qatLearningRate = FineTuning(epochs: 1).learningRate

    @Flag(help: "Show the signal-to-noise ratio of every layer.")
    var report = false

    @Option(help: "Which weights: best or last.")
    var checkpoint = RunFolder.Slot.best

    @Option(help: "Name or folder of the data set. Default: where the run found it.")
    var dataset: String?

    @OptionGroup var threads: ThreadOptions

    @Option(help: "Exit with 2 when the int8 accuracy is below this fraction, for example 0.88.")
    var requireAccuracy: Double?

    @Flag(help: "Write JSON Lines to standard output.")
    var json = false

    enum Weights: String, ExpressibleByArgument, CaseIterable {
        case eight = "8bit"
        case four = "4bit"
    }

    enum Choice: String, ExpressibleByArgument, CaseIterable {
        case auto, yes, no

        var decided: Bool? { self == .auto ? nil : self == .yes }
    }

    func validate() throws {
        if interchange.floatOnly, requireAccuracy != nil || qat > 0 {
            throw ValidationError("--float-only quantises nothing: leave out --qat and --require-accuracy.")
        }
        if !(0...1000).contains(qat) { throw ValidationError("--qat must be between 0 and 1000, found \(qat).") }
        if !(qatLearningRate > 0 && qatLearningRate <= 10) {
            throw ValidationError("--qat-learning-rate must be above 0 and at most 10, found \(qatLearningRate).")
        }
        if calibration != "auto", CalibrationMethod(calibration) == nil {
            throw ValidationError(
                "--calibration is auto, minmax, mse, percentile or percentile:SHARE, found \(calibration).")
        }
        if calibrationImages < 1 { throw ValidationError("--calibration-images must be at least 1.") }
    }

    func run() throws {
        if interchange.floatOnly {
            try CommandFailure.wrapping {
                let (folder, configuration) = try RunFolder.open(runPath)
                try interchange.write(try FloatModel(folder, configuration, slot: checkpoint))
            }
            return
        }
        let accuracy = try CommandFailure.wrapping { try export() }
        if let requireAccuracy, accuracy < requireAccuracy {
            throw CommandFailure(
                .belowTarget,
                "the int8 accuracy is \(percentage(accuracy)), required were \(percentage(requireAccuracy))")
        }
    }

    private struct Finished: Encodable {
        let file: String
        let bytes: Int
        let sha256: String
        let split: String
        let images: Int
        let accuracy: Double
        let floatAccuracy: Double
        let agreement: Double
        let calibration: String
        let multiplyAccumulates: Int
        let qatEpochs: Int
        /// Of `images`, those whose logits fine-tuning's float ops predict exactly; only with `--qat`.
        let predicted: Int?
        let noisiestLayer: Int?
    }

    private struct Trial: Encodable {
        let calibration: String
        let correct: Int
        let agreement: Int
    }

    private func export() throws -> Double {
        let (folder, configuration) = try RunFolder.open(runPath)
        let dataset = try loadDataset(of: configuration, orNamed: dataset)
        var exporter = Exporter(calibration: CalibrationMethod(calibration), workers: threads.workers)
        exporter.calibrationImages = calibrationImages
        exporter.slot = checkpoint
        exporter.weightBits = weights == .four ? 4 : 8
        exporter.correctsBiases = biasCorrection.decided
        exporter.equalises = equalisation.decided
        if qat > 0 {
            var fineTuning = FineTuning(epochs: qat)
            fineTuning.learningRate = qatLearningRate
            exporter.fineTuning = fineTuning
        }
        let bar = ProgressBar("fine-tune", unit: "steps")
        let result = try exporter.export(folder, configuration, dataset: dataset) { show($0, bar) }
        bar.clear()
        let path = output ?? runPath + "/model.deai"
        try AtomicFile.write(result.bytes, to: path)
        try interchange.write(
            try FloatModel(folder, configuration, slot: checkpoint), result.model, provenance: result.provenance)
        guard let accuracy = result.provenance.accuracy else { return 0 }
        if json { showJSON(result, accuracy, path) } else { show(result, accuracy, path) }
        return accuracy.int8Accuracy
    }

    /// Where fine-tuning is: a bar, and a line or record for each epoch.
    private func show(_ event: Exporter.Event, _ bar: ProgressBar) {
        switch event {
        case .step(let step, let steps, let loss):
            bar.update(Double(step), of: Double(steps), detail: String(format: "loss %.4f", loss))
        case .epoch(let epoch, let correct):
            bar.clear()
            if json {
                Console.result(EventRecord("qatEpoch", Epoch(epoch: epoch, correct: correct)).json)
            } else {
                Console.note(
                    (epoch == 0 ? "before fine-tuning" : "fine-tuned for \(epoch) of \(qat)")
                        + ": \(correct) right (validation)")
            }
        }
    }

    private struct Epoch: Encodable {
        let epoch: Int
        let correct: Int
    }

    private func showJSON(_ result: Exporter.Result, _ accuracy: AccuracyReport, _ path: String) {
        for trial in result.trials {
            let record = Trial(calibration: trial.method, correct: trial.correct, agreement: trial.agreement)
            Console.result(EventRecord("calibration", record).json)
        }
        for row in result.layers.rows { Console.result(EventRecord("layer", row).json) }
        let finished = Finished(
            file: path, bytes: result.bytes.count, sha256: hexadecimal(ModelFile.contentHash(result.bytes)),
            split: accuracy.split, images: accuracy.images, accuracy: accuracy.int8Accuracy,
            floatAccuracy: accuracy.floatAccuracy, agreement: accuracy.agreement,
            calibration: result.provenance.calibration.summary,
            multiplyAccumulates: Int(result.model.multiplyAccumulates), qatEpochs: qat,
            predicted: result.predicted, noisiestLayer: result.layers.worst?.layer)
        Console.result(EventRecord("finished", finished).json)
    }

    private func show(_ result: Exporter.Result, _ accuracy: AccuracyReport, _ path: String) {
        for trial in result.trials {
            Console.note(
                "calibration \(trial.method): \(trial.correct) right, "
                    + "\(trial.agreement) as the float network (validation)"
            )
        }
        if report {
            let rows =
                [["LAYER", "", "OWN", "SO FAR"]]
                + result.layers.rows.map { row in
                    [
                        "\(row.layer)", row.name, String(format: "%.1f dB", row.ownDecibels),
                        String(format: "%.1f dB", row.decibels),
                    ]
                }
            for line in table(rows, rightAligned: [0, 2, 3]) { Console.result(line) }
        }
        var rows = [
            [
                "float accuracy",
                percentage(accuracy.floatAccuracy)
                    + " on \(ProgressBar.grouped(accuracy.images)) \(accuracy.split) images",
            ],
            [
                "int8 accuracy",
                percentage(accuracy.int8Accuracy) + " (calibration \(result.provenance.calibration.summary)"
                    + (qat > 0 ? ", \(qat) epochs of fine-tuning)" : ")"),
            ],
            ["agreement", percentage(accuracy.agreement)],
        ]
        if let predicted = result.predicted {
            rows.append([
                "prediction",
                "float ops give the same logits on \(ProgressBar.grouped(predicted)) of "
                    + "\(ProgressBar.grouped(accuracy.images)) images",
            ])
        }
        if let worst = result.layers.worst {
            rows.append([
                "noisiest layer", "\(worst.layer), \(worst.name): \(String(format: "%.1f", worst.ownDecibels)) dB",
            ])
        }
        rows += [
            ["size", ProgressBar.grouped(result.bytes.count) + " bytes"],
            ["sha256", hexadecimal(ModelFile.contentHash(result.bytes))],
            ["file", path],
        ]
        for line in table(rows, rightAligned: []) { Console.result(line) }
    }
}
