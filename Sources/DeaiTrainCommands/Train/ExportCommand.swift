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

    @Option(help: "Which weights: best or last.")
    var checkpoint = RunFolder.Slot.best

    @Option(help: "Name or folder of the data set. Default: where the run found it.")
    var dataset: String?

    @OptionGroup var threads: ThreadOptions

    @Option(help: "Exit with 2 when the int8 accuracy is below this fraction, for example 0.88.")
    var requireAccuracy: Double?

    @Flag(help: "Write JSON Lines to standard output.")
    var json = false

    func validate() throws {
        if calibration != "auto", CalibrationMethod(calibration) == nil {
            throw ValidationError(
                "--calibration is auto, minmax, mse, percentile or percentile:SHARE, found \(calibration).")
        }
        if calibrationImages < 1 { throw ValidationError("--calibration-images must be at least 1.") }
    }

    func run() throws {
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
        let result = try exporter.export(folder, configuration, dataset: dataset)
        let path = output ?? runPath + "/model.deai"
        try AtomicFile.write(result.bytes, to: path)
        try interchange.write(
            try FloatModel(folder, configuration, slot: checkpoint), result.model, provenance: result.provenance)
        guard let report = result.provenance.accuracy else { return 0 }
        let hash = hexadecimal(ModelFile.contentHash(result.bytes))
        if json {
            for trial in result.trials {
                let record = Trial(
                    calibration: trial.method, correct: trial.correct, agreement: trial.agreement)
                Console.result(EventRecord("calibration", record).json)
            }
            let finished = Finished(
                file: path, bytes: result.bytes.count, sha256: hash, split: report.split,
                images: report.images,
                accuracy: report.int8Accuracy, floatAccuracy: report.floatAccuracy,
                agreement: report.agreement,
                calibration: result.provenance.calibration.method,
                multiplyAccumulates: Int(result.model.multiplyAccumulates))
            Console.result(EventRecord("finished", finished).json)
            return report.int8Accuracy
        }
        for trial in result.trials {
            Console.note(
                "calibration \(trial.method): \(trial.correct) right, "
                    + "\(trial.agreement) as the float network (validation)"
            )
        }
        let rows = [
            [
                "float accuracy",
                percentage(report.floatAccuracy)
                    + " on \(ProgressBar.grouped(report.images)) \(report.split) images",
            ],
            [
                "int8 accuracy",
                percentage(report.int8Accuracy) + " (calibration \(result.provenance.calibration.method))",
            ],
            ["agreement", percentage(report.agreement)],
            ["size", ProgressBar.grouped(result.bytes.count) + " bytes"],
            ["sha256", hash],
            ["file", path],
        ]
        for line in table(rows, rightAligned: []) { Console.result(line) }
        return report.int8Accuracy
    }
}
