import ArgumentParser
import Export
import Foundation
import Inference
import InternetComputer
import Training
import Upload

/// `deai-train evaluate-onchain model.deai`: the canister scores a test set, and the subnet certifies the result.
struct EvaluateOnchainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate-onchain",
        abstract: "Have a canister score a labelled test set and check the certified result.",
        discussion: """
            The test set is uploaded in verified chunks, scored in slices over several messages, and its result \
            (model hash, data hash, accuracy, confusion matrix) is certified by the subnet.
            """)

    @Argument(help: "The .deai file that the canister serves; it names the data set and the classes.")
    var file: String

    @Option(help: "Name or folder of the data set. Default: the one that the model was trained on.")
    var dataset: String?

    @Option(help: "Score only so many of the test images.")
    var limit: Int?

    @Option(help: ArgumentHelp("Where the test set is written before it is uploaded.", valueName: "path"))
    var data: String?

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is at least 1") }
    }

    private struct Report: Encodable {
        let event = "finished"
        let accuracy: Double
        let evaluation: OnchainEvaluation
        /// Nanoseconds since 1970.
        let certifiedAt: UInt64
        let calls: Int
    }

    func run() async throws {
        let (model, images) = try CommandFailure.wrapping { try load() }
        let path =
            data
            ?? FileManager.default.temporaryDirectory
            .appendingPathComponent("deai-test-set-\(ProcessInfo.processInfo.processIdentifier)").path
        defer { if data == nil { try? FileManager.default.removeItem(atPath: path) } }
        let plan = try explained {
            try TestSetFile.write(
                path: path, labels: images.targets, pixels: images.pixels, height: images.geometry.height,
                width: images.geometry.width, channels: images.geometry.channels, classes: model.labels.count)
            return try UploadPlan(path: path, isModel: false)
        }
        let client = try canister.client(network)
        let bar = ProgressBar("score", unit: "images")
        defer { bar.clear() }
        var calls = 0
        let (evaluation, time) = try await explained {
            _ = try await Uploader(target: client).evaluate(plan, with: client) { state in
                calls += 1
                bar.update(Double(state.done), of: Double(state.images))
            }
            return try await client.certifiedEvaluation(now: Agent.systemClock())
        }
        bar.clear()
        guard evaluation.dataSHA256 == hexadecimal(plan.sha256) else {
            throw CommandFailure(
                .failure, "the certified evaluation is of other data: another one came between")
        }
        report(Report(accuracy: evaluation.accuracy, evaluation: evaluation, certifiedAt: time, calls: calls))
    }

    private func load() throws -> (QuantizedModel, LabelledImages) {
        guard case .file(let model, _) = try ModelSource(file) else {
            throw CommandFailure(.usage, "\(file) is a run folder: name the .deai file that was uploaded")
        }
        guard let name = dataset ?? Provenance(model)?.dataset.name, !name.isEmpty else {
            throw CommandFailure(
                .usage, "\(file) does not say what it was trained on; name a data set with --dataset")
        }
        let loaded = try loadDataset(for: model, named: name).matching(labels: model.labelTexts)
        guard let test = loaded.test else {
            throw CommandFailure(.badData, "\(loaded.location) has no test images")
        }
        guard let limit, limit < test.count else { return (model, test) }
        return (model, test.subset((0..<limit).map { Int32($0) }))
    }

    private func report(_ report: Report) {
        if json {
            Console.json(report)
            return
        }
        let evaluation = report.evaluation
        Console.result(
            "\(ProgressBar.grouped(Int(evaluation.correct))) of \(ProgressBar.grouped(Int(evaluation.images))) images right: "
                + String(format: "%.2f %%", report.accuracy * 100))
        Console.result("model hash   \(evaluation.modelSHA256)")
        Console.result("data hash    \(evaluation.dataSHA256)")
        Console.result(
            "instructions \(ProgressBar.grouped(Int(evaluation.instructions))) in \(report.calls) messages")
        Console.result(
            "certified by the subnet: hashes, counts and the whole confusion matrix (rows are labels)")
        for row in 0..<evaluation.classes {
            let counts = evaluation.confusion[(row * evaluation.classes)..<((row + 1) * evaluation.classes)]
            Console.result(counts.map { String(format: "%6d", $0) }.joined())
        }
    }
}
