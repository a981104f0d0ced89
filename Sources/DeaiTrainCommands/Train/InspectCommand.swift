import ArgumentParser
import Export
import Foundation
import Training

/// `deai-train inspect`: layers, shapes, parameters, multiply-accumulates, bytes and provenance.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show what is in a run or in a .deai file.")

    @Argument(help: "A run folder or a .deai file.")
    var source: String

    @Option(help: "Which weights of a run: best or last.")
    var checkpoint = RunFolder.Slot.best

    @Flag(help: "Run the canister under the replica's metering and tell what the model costs there.")
    var cost = false

    @OptionGroup var costs: CostOptions

    @Flag(help: "One JSON object; with --cost a second one.")
    var json = false

    func run() throws {
        let summary = try CommandFailure.wrapping { try self.summary() }
        if json {
            Console.result(EventRecord("model", summary).json)
        } else {
            show(summary)
        }
        guard cost else { return }
        guard case .file(let model, let bytes) = try CommandFailure.wrapping({ try ModelSource(source) }) else {
            throw CommandFailure(.usage, "--cost needs a .deai file; `deai-train export \(source)` makes one of this run")
        }
        let measured = try costs.measure(model, bytes)
        if json {
            Console.result(EventRecord("cost", measured).json)
        } else {
            Console.result("")
            for line in costs.lines(measured) { Console.result(line) }
        }
    }

    private func summary() throws -> ModelSummary {
        switch try ModelSource(source) {
        case .file(let model, let bytes): return ModelSummary(model, file: bytes)
        case .run(let folder, let configuration):
            let model = try FloatModel(folder, configuration, slot: checkpoint)
            let path = folder.checkpointPath(checkpoint)
            let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
            return try ModelSummary(model, configuration: configuration, fileBytes: size)
        }
    }

    private func show(_ summary: ModelSummary) {
        Console.result(
            "\(summary.name) (\(summary.kind)), input \(summary.input), \(summary.labels.count) classes: "
                + summary.labels.joined(separator: ", "))
        var rows = [["LAYER", "OUTPUT", "PARAMETERS", "MACS", "BYTES"]]
        rows += summary.layers.map { layer in
            [
                layer.layer, layer.output, ProgressBar.grouped(layer.parameters),
                ProgressBar.grouped(layer.multiplyAccumulates), ProgressBar.grouped(layer.bytes),
            ]
        }
        rows.append([
            "total", "", ProgressBar.grouped(summary.parameters),
            ProgressBar.grouped(summary.multiplyAccumulates),
            ProgressBar.grouped(summary.layers.reduce(0) { $0 + $1.bytes }),
        ])
        for line in table(rows, rightAligned: [2, 3, 4]) { Console.result(line) }
        var facts = [
            ["file", ProgressBar.grouped(summary.fileBytes) + " bytes"],
            [summary.kind == "run" ? "weights" : "sha256", summary.sha256],
        ]
        if let provenance = summary.provenance { facts += self.facts(provenance) }
        if let bytes = summary.foreignProvenanceBytes {
            facts.append(["provenance", "\(ProgressBar.grouped(bytes)) bytes that deai-train did not write"])
        }
        if let configuration = summary.configuration {
            facts += [
                ["data set", "\(configuration.dataset.name) \(configuration.dataset.sha256)"],
                ["training", text(configuration.hyperparameters)],
                ["toolkit", "deai-train \(configuration.toolkitVersion)"],
            ]
        }
        for line in table(facts, rightAligned: []) { Console.result(line) }
    }

    private func facts(_ provenance: Provenance) -> [[String]] {
        var facts = [
            ["data set", "\(provenance.dataset.name) \(provenance.dataset.sha256)"],
            ["training", text(provenance.hyperparameters) + ", weights of epoch \(provenance.epoch)"],
            ["calibration", "\(provenance.calibration.summary) on \(provenance.calibration.images) images"],
            ["weights", provenance.weightHash],
            ["toolkit", provenance.toolkit],
        ]
        if let accuracy = provenance.accuracy {
            facts.append([
                "accuracy",
                "float \(percentage(accuracy.floatAccuracy)), int8 \(percentage(accuracy.int8Accuracy)), "
                    + "agreement \(percentage(accuracy.agreement)) on \(ProgressBar.grouped(accuracy.images)) \(accuracy.split) images",
            ])
        }
        return facts
    }

    private func text(_ hyper: Hyperparameters) -> String {
        "\(hyper.epochs) epochs, batch \(hyper.batch), learning rate \(hyper.learningRate) \(hyper.schedule), "
            + "momentum \(hyper.momentum)\(hyper.nesterov ? " (Nesterov)" : ""), weight decay \(hyper.weightDecay), "
            + "validation \(hyper.validationFraction), seed \(hyper.seed)"
    }
}
