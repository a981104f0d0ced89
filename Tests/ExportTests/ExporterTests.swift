import Export
import Foundation
import Inference
import Kernels
import NeuralNetwork
import Testing
import Training

/// Trains lenet5 on the PNG sample once, and exports it.
@Suite struct ExporterTests {
    struct Trained: Sendable {
        let folder: RunFolder
        let configuration: RunConfiguration
        let dataset: Dataset
    }

    static let trained = Result { try train() }

    static func train() throws -> Trained {
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent()
        let dataset = try DatasetCatalog(roots: [repository.appendingPathComponent("datasets").path])
            .load("fashion-mnist-sample")
        var hyper = Hyperparameters()
        hyper.epochs = 4
        hyper.batch = 16
        hyper.learningRate = 0.03
        let configuration = try RunConfiguration(
            toolkitVersion: "test", dataset: dataset,
            network: Preset.lenet5.architecture(height: 28, width: 28, channels: 1, classes: 10),
            hyperparameters: hyper)
        let path = NSTemporaryDirectory() + "deai-export-tests-\(getpid())"
        let folder = try RunFolder.create(path, configuration: configuration, force: true)
        _ = try TrainingLoop(configuration, dataset: dataset, folder: folder, workers: .threads(2)).run { _ in
        }
        return Trained(folder: folder, configuration: configuration, dataset: dataset)
    }

    func export(_ method: CalibrationMethod? = nil, workers: Workers = .serial) throws -> Exporter.Result {
        let run = try ExporterTests.trained.get()
        return try Exporter(calibration: method, workers: workers).export(
            run.folder, run.configuration, dataset: run.dataset)
    }

    @Test(arguments: [nil] + CalibrationMethod.candidates)
    func agreesWithTheFloatNetwork(method: CalibrationMethod?) throws {
        let report = try #require(try export(method).provenance.accuracy)
        #expect(report.images == 200 && report.split == "test")
        #expect(report.floatAccuracy > 0.6)
        #expect(report.agreement >= 0.95)
        #expect(abs(report.floatAccuracy - report.int8Accuracy) <= 0.03)
    }

    @Test func repeatsToTheSameBytes() throws {
        let first = try export()
        let second = try export(workers: .threads(2))
        #expect(first.bytes == second.bytes)
        // Each range, and then the best of them with corrected biases; lenet5 has no depthwise layers.
        #expect(first.trials.count == CalibrationMethod.candidates.count + 1)
        let best = first.trials.map(\.correct).max()
        let chosen = first.trials.first { $0.method == first.provenance.calibration.summary }
        #expect(chosen?.correct == best)
    }

    @Test func theFileSaysWhereItComesFrom() throws {
        let run = try ExporterTests.trained.get()
        let result = try export(.minMax)
        let model = try ModelFile.read(result.bytes)
        #expect(model == result.model)
        #expect(model.labelTexts == run.dataset.labels)
        #expect(String(decoding: model.name, as: UTF8.self) == "lenet5")
        let provenance = try #require(Provenance(model))
        #expect(provenance == result.provenance)
        #expect(provenance.dataset.sha256 == hexadecimal(run.dataset.contentHash()))
        #expect(provenance.hyperparameters.seed == 1)
        let images = try #require(run.dataset.test)
        let measured = IntegerClassifier(model, workers: .serial).evaluate(images)
        #expect(measured.accuracy == provenance.accuracy?.int8Accuracy)
    }

    @Test func refusesAnotherDataSet() throws {
        let run = try ExporterTests.trained.get()
        let other = Dataset(
            name: "other", location: "elsewhere", format: .png, labels: run.dataset.labels,
            train: run.dataset.train.subset([0, 1, 2]), test: nil)
        let error = #expect(throws: ExportError.self) {
            try Exporter(workers: .serial).export(run.folder, run.configuration, dataset: other)
        }
        #expect(error?.description.contains("data set") == true)
    }

    @Test func summariesAddUp() throws {
        let run = try ExporterTests.trained.get()
        let result = try export(.minMax)
        let integer = ModelSummary(result.model, file: result.bytes)
        let float = try ModelSummary(
            try FloatModel(run.folder, run.configuration, slot: .best), configuration: run.configuration,
            fileBytes: 0)
        #expect(integer.parameters == 61_706 && float.parameters == 61_706)
        #expect(integer.multiplyAccumulates == 416_520 && float.multiplyAccumulates == 416_520)
        #expect(integer.fileBytes == result.bytes.count)
        // Together the layers are the section of tensors, whose length stands in the section table.
        var tensors = 0
        for byte in result.bytes[216..<220].reversed() { tensors = tensors << 8 | Int(byte) }
        let stored = integer.layers.map(\.bytes).reduce(0, +)
        #expect(stored == tensors)
        #expect(tensors < integer.parameters)
        #expect(integer.layers.map(\.output).last == "10")
        #expect(float.layers[2].output == "14x14x6")
    }

    @Test func classesAreMatchedByName() throws {
        let images = LabelledImages(
            geometry: ImageGeometry(height: 1, width: 1, channels: 1), pixels: [1, 2], targets: [0, 1])
        let dataset = Dataset(
            name: "x", location: "x", format: .png, labels: ["dog", "cat"], train: images, test: images)
        let matched = try dataset.matching(labels: ["bird", "cat", "dog"])
        #expect(matched.train.targets == [2, 1] && matched.test?.targets == [2, 1])
        #expect(matched.labels == ["bird", "cat", "dog"])
        #expect(throws: ExportError.self) { try dataset.matching(labels: ["dog", "horse"]) }
    }
}
