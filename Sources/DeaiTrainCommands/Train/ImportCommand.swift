import ArgumentParser
import Export
import Foundation
import Interchange
import NeuralNetwork
import Training

/// `deai-train import`: makes a run of a network that another tool trained.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make a run of an ONNX model or of safetensors weights.",
        discussion: """
            The run can be evaluated, exported, uploaded and trained further like one of your own. A model with float \
            input is taken to want pixel / 255 unless --mean and --std say more.
            """)

    @Argument(help: "An .onnx file, or a .safetensors file together with --model or --like.")
    var source: String

    @Option(name: [.short, .customLong("run")], help: "The run folder to make.")
    var output: String

    @Option(help: "Name or folder of the data set that the network was trained for.")
    var dataset: String

    @Option(help: "Mean of pixel / 255 that was subtracted: one number, or one for each channel, with commas.")
    var mean: String?

    @Option(help: "Standard deviation of pixel / 255 that was divided by, like --mean.")
    var std: String?

    @Option(help: "The network of safetensors weights: a preset.")
    var model: String?

    @Option(help: "The network of safetensors weights: that of this run.")
    var like: String?

    @Option(help: "The classes in the order of the logits, with commas. Default: as the file or the data set says.")
    var labels: String?

    @Option(help: "Which weights of --like: best or last.")
    var checkpoint = RunFolder.Slot.best

    @OptionGroup var threads: ThreadOptions

    @Flag(help: "Replace the run that is in the folder.")
    var force = false

    @Flag(help: "Write JSON Lines to standard output.")
    var json = false

    private struct Finished: Encodable {
        let run: String
        let network: String
        let parameters: Int
        let weightHash: String
        let zeroPoints: [Int32]
        let pixelScale: Float
        let notes: [String]
        let split: String?
        let images: Int?
        let accuracy: Double?
    }

    func validate() throws {
        for (option, text) in [("--mean", mean), ("--std", std)] where text != nil && numbers(text) == nil {
            throw ValidationError("\(option) is a list of numbers like 0.5 or 0.485,0.456,0.406.")
        }
        if isSafetensors, (model == nil) == (like == nil) {
            throw ValidationError("safetensors hold no layers: give either --model or --like.")
        }
        if !isSafetensors, model != nil || like != nil {
            throw ValidationError("--model and --like are for .safetensors files.")
        }
    }

    func run() throws { try CommandFailure.wrapping { try importNetwork() } }

    private var isSafetensors: Bool { ForeignNetwork.isSafetensors(source) }

    private func numbers(_ text: String?) -> [Double]? {
        let list = text?.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) } ?? []
        let numbers = list.compactMap { $0 }
        return numbers.isEmpty || numbers.count < list.count ? nil : numbers
    }

    private func importNetwork() throws {
        let imported = try ForeignNetwork(
            path: source, model: model, like: like, mean: numbers(mean), deviation: numbers(std)
        ).read(for: dataset)
        let architecture = imported.architecture
        let geometry = ImageGeometry(
            height: architecture.inputHeight, width: architecture.inputWidth, channels: architecture.inputChannels)
        let dataset = try loadDataset(dataset, geometry: geometry)
        guard dataset.geometry == geometry else {
            throw CommandFailure(
                .badData, "the network takes images of \(geometry), those of \(dataset.name) are \(dataset.geometry)")
        }
        var notes = imported.notes
        let classes = try classes(imported, dataset, &notes)
        let matched = try dataset.matching(labels: classes)
        let configuration = RunConfiguration(
            toolkitVersion: Toolkit.version, dataset: dataset, labels: classes, network: architecture,
            preprocessing: imported.preprocessing)
        let result = try matched.test.map { images in
            try FloatClassifier(
                architecture: architecture, preprocessing: imported.preprocessing, parameters: imported.parameters,
                workers: threads.workers
            ).evaluate(images)
        }
        if let result, result.loss.isNaN {
            throw CommandFailure(
                .badData, "the network answers test images with numbers that are infinite or none; its weights are too large")
        }
        _ = try RunFolder.create(
            output, configuration: configuration, importing: imported.parameters, force: force)
        let finished = Finished(
            run: output, network: configuration.network.summary,
            parameters: imported.parameters.reduce(0) { $0 + $1.count },
            weightHash: hexadecimal(weightHash(of: imported.parameters)),
            zeroPoints: imported.preprocessing.zeroPoints, pixelScale: imported.preprocessing.scale, notes: notes,
            split: result.map { _ in "test" }, images: result?.images, accuracy: result?.accuracy)
        report(finished)
    }

    private func report(_ finished: Finished) {
        for note in finished.notes { Console.note("note: " + note) }
        if json {
            Console.result(EventRecord("finished", finished).json)
            return
        }
        var rows = [
            ["network", finished.network],
            ["parameters", ProgressBar.grouped(finished.parameters)],
            ["input", "(pixel - \(finished.zeroPoints)) * \(finished.pixelScale)"],
            ["weights", finished.weightHash],
        ]
        if let accuracy = finished.accuracy, let images = finished.images {
            rows.append(["accuracy", "\(percentage(accuracy)) on \(ProgressBar.grouped(images)) test images"])
        }
        rows.append(["run", finished.run])
        for line in table(rows, rightAligned: []) { Console.result(line) }
    }

    private func classes(
        _ imported: ImportedNetwork, _ dataset: Dataset, _ notes: inout [String]
    ) throws -> [String] {
        let count = imported.architecture.classes
        let given = labels.map { $0.split(separator: ",").map(String.init) } ?? imported.labels
        if given == nil { notes.append("the file names no classes: they are taken in the order of the data set") }
        let result = given ?? dataset.labels
        guard result.count == count else {
            throw CommandFailure(
                .badData,
                "the network has \(count) classes, \(given == nil ? "the data set" : "the list of labels") has \(result.count)")
        }
        return result
    }
}
