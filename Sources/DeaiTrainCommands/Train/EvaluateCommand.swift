import ArgumentParser
import Export
import Foundation
import Training

/// `deai-train evaluate`: the accuracy of a run or of a .deai file.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Measure a run (float) or a .deai file (int8) on a data set.")

    @Argument(help: "A run folder or a .deai file.")
    var source: String

    @Option(help: "Name or folder of the data set. Default: the one that it was trained on.")
    var dataset: String?

    @Option(
        help: "Which images: test, validation or train. Default: test where there is one, else validation.")
    var split: Part?

    @Option(help: "Which weights of a run: best or last.")
    var checkpoint = RunFolder.Slot.best

    @Option(help: "Also write the logits to this file: a row of little-endian binary32 for each image.")
    var logits: String?

    @OptionGroup var threads: ThreadOptions

    @Option(help: "Exit with 2 when the accuracy is below this fraction, for example 0.88.")
    var requireAccuracy: Double?

    @Flag(help: "Write JSON Lines to standard output; the last has \"event\":\"finished\" and \"accuracy\".")
    var json = false

    enum Part: String, ExpressibleByArgument, CaseIterable { case test, validation, train }

    func run() throws {
        let accuracy = try CommandFailure.wrapping { try evaluate() }
        if let requireAccuracy, accuracy < requireAccuracy {
            throw CommandFailure(
                .belowTarget,
                "the accuracy is \(percentage(accuracy)), required were \(percentage(requireAccuracy))")
        }
    }

    private func evaluate() throws -> Double {
        let bar = ProgressBar("evaluate", unit: "images")
        defer { bar.clear() }
        let part: (name: String, images: LabelledImages)
        let found: [Float]
        let labels: [String]
        let workers = threads.workers
        func show(_ done: Int, _ images: LabelledImages) {
            bar.update(Double(done), of: Double(images.count))
        }
        switch try ModelSource(source) {
        case .run(let folder, let configuration):
            let model = try FloatModel(folder, configuration, slot: checkpoint)
            labels = model.labels
            part = try images(
                of: try loadDataset(of: configuration, orNamed: dataset), labels: labels,
                hyperparameters: configuration.hyperparameters)
            found = try FloatClassifier(
                architecture: model.architecture, preprocessing: model.preprocessing,
                parameters: model.parameters, workers: workers
            ).logits(part.images) { show($0, part.images) }
        case .file(let model, _):
            let provenance = Provenance(model)
            labels = model.labelTexts
            guard let name = dataset ?? provenance?.dataset.name else {
                throw CommandFailure(
                    .usage, "\(source) does not say what it was trained on; name a data set with --dataset")
            }
            part = try images(
                of: try loadDataset(for: model, named: name), labels: labels,
                hyperparameters: provenance?.hyperparameters)
            found = IntegerClassifier(model, workers: workers).logits(part.images) { show($0, part.images) }
                .map { Float($0) * model.logitScale }
        }
        bar.clear()
        if let logits {
            try AtomicFile.write(found.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }, to: logits)
        }
        let result = Evaluation(logits: found, targets: part.images.targets, classes: labels.count)
        report(result, part.name, labels)
        return result.accuracy
    }

    /// The images to measure on, with the model's class numbers.
    private func images(
        of dataset: Dataset, labels: [String], hyperparameters: Hyperparameters?
    ) throws -> (String, LabelledImages) {
        let loaded = try dataset.matching(labels: labels)
        let chosen = split ?? (loaded.test == nil ? .validation : .test)
        switch chosen {
        case .test:
            guard let test = loaded.test else {
                throw CommandFailure(
                    .badData, "\(loaded.location) has no test images; use --split validation or train")
            }
            return ("test", test)
        case .train: return ("train", loaded.train)
        case .validation:
            let hyper = hyperparameters ?? Hyperparameters()
            let held = Split(
                targets: loaded.train.targets, validationFraction: hyper.validationFraction, seed: hyper.seed)
            guard !held.validation.isEmpty else {
                throw CommandFailure(.badData, "nothing was held back for validation; use --split train")
            }
            return ("validation", loaded.train.subset(held.validation))
        }
    }

    private struct Finished: Encodable {
        let source: String
        let split: String
        let images: Int
        let correct: Int
        let accuracy: Double
        let loss: Double
    }

    private struct ClassRecord: Encodable {
        let index: Int
        let label: String
        let images: Int
        let accuracy: Double
    }

    private func report(_ result: Evaluation, _ split: String, _ labels: [String]) {
        let classes = result.confusion.enumerated().map { index, row in
            let images = row.reduce(0, +)
            return ClassRecord(
                index: index, label: labels[index], images: images,
                accuracy: images == 0 ? 0 : Double(row[index]) / Double(images))
        }
        if json {
            for record in classes { Console.result(EventRecord("class", record).json) }
            let finished = Finished(
                source: source, split: split, images: result.images, correct: result.correct,
                accuracy: result.accuracy, loss: result.loss)
            Console.result(EventRecord("finished", finished).json)
            return
        }
        let rows =
            [["CLASS", "IMAGES", "RIGHT"]]
            + classes.map { [$0.label, "\($0.images)", percentage($0.accuracy)] }
        for line in table(rows, rightAligned: [1, 2]) { Console.result(line) }
        Console.result(
            "\(split) accuracy \(percentage(result.accuracy)) (\(ProgressBar.grouped(result.correct)) of "
                + "\(ProgressBar.grouped(result.images))), loss \(String(format: "%.4f", result.loss))")
    }
}

extension RunFolder.Slot: ExpressibleByArgument {}
