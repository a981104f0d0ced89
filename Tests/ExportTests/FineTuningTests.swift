import Export
import Foundation
import Inference
import Kernels
import NeuralNetwork
import Testing
import Training

/// What fine-tuning's float ops say, against the integer executor.
@Suite struct FineTuningTests {
    static func check(_ model: QuantizedModel, _ images: LabelledImages) throws {
        let predicted = try FakeQuantizedRunner.logits(model, images, workers: .serial)
        let integer = IntegerClassifier(model, workers: .serial).logits(images)
        #expect(predicted.count == integer.count && predicted == integer.map { Float($0) })
    }

    static func quantized(_ architecture: Architecture, seed: UInt64, levels: Int = 127) throws -> QuantizedModel {
        let network = try FusedNetwork(try FoldingTests.model(architecture, seed: seed))
        let images = FoldingTests.images(architecture, count: 8, seed: seed)
        let observations = try Calibrator.observe(network, images: images, workers: .serial)
        return try Quantizer(ranges: observations.ranges(.minMax, levels: levels), levels: levels).quantize(network)
            .model
    }

    @Test(arguments: FoldingTests.networks.indices)
    func predictsEveryLogit(index: Int) throws {
        let architecture = QuantizerTests.network(FoldingTests.networks[index].layers, classes: 3, side: 6)
        let images = FoldingTests.images(architecture, count: 230, seed: 77)
        try FineTuningTests.check(
            try FineTuningTests.quantized(architecture, seed: UInt64(index), levels: index % 2 == 0 ? 127 : 255), images)
    }

    @Test(arguments: Preset.allCases)
    func predictsEveryLogitOfThePresets(preset: Preset) throws {
        let architecture = preset.architecture(
            height: 28, width: 28, channels: 1, classes: 10, multiplier: preset.hasWidth ? 0.5 : 1)
        let images = FoldingTests.images(architecture, count: 20, seed: 78)
        try FineTuningTests.check(try FineTuningTests.quantized(architecture, seed: 5), images)
    }

    /// Sums of up to 2^27, which one float does not hold; the last bits decide what is rounded up.
    @Test func predictsSumsThatAFloatDoesNotHold() throws {
        var random = SplitMix64(seed: 9)
        let inputs = 4096
        let weights = (0..<inputs * 3).map { _ in Int8(100 + random.index(below: 28)) }
        let model = try QuantizedModel(
            name: [], input: InputGeometry(height: 64, width: 64, channels: 1, zeroPoints: [0], scale: 1),
            layers: [
                .flatten,
                .dense(
                    QuantizedDense(
                        outputs: 3, weights: weights, bias: [1_000_003, -2_000_001, 16_777_215],
                        multipliers: [0.0301, 0.0275, 0.02], output: .logits)),
            ], labels: [[65], [66], [67]], logitScale: 1, provenance: [])
        let images = LabelledImages(
            geometry: ImageGeometry(height: 64, width: 64, channels: 1),
            pixels: (0..<300 * inputs).map { _ in UInt8(random.index(below: 256)) },
            targets: [UInt8](repeating: 0, count: 300))
        let logits = IntegerClassifier(model, workers: .serial).logits(images)
        #expect(logits.allSatisfy { Float($0) / 0.0301 > 16_777_216 })
        try FineTuningTests.check(model, images)
    }

    /// Few levels cost accuracy, and fine-tuning gets some of it back.
    @Test(arguments: [ExecutorKind.portable, .accelerated])
    func fineTuningHelps(kind: ExecutorKind) throws {
        let run = try ExporterTests.trained.get()
        var configuration = run.configuration
        configuration.executor = kind == .portable ? nil : kind
        var exporter = Exporter(calibration: .minMax, workers: .serial)
        exporter.levels = 3
        exporter.correctsBiases = false
        let before = try exporter.export(run.folder, configuration, dataset: run.dataset)
        exporter.fineTuning = FineTuning(epochs: 3)
        var epochs: [Int] = []
        let after = try exporter.export(run.folder, configuration, dataset: run.dataset) {
            if case .epoch(_, let correct) = $0 { epochs.append(correct) }
        }
        #expect(epochs.count == 4)
        #expect((epochs.dropFirst().max() ?? 0) > epochs[0])
        let (old, new) = (try #require(before.provenance.accuracy), try #require(after.provenance.accuracy))
        #expect(new.int8Accuracy > old.int8Accuracy)
        #expect(after.predicted == new.images && before.predicted == nil)
        #expect(after.provenance.fineTuning == FineTuning(epochs: 3))
        if kind == .portable {
            #expect(try exporter.export(run.folder, configuration, dataset: run.dataset).bytes == after.bytes)
        }
    }

    /// Branches that begin at the picture read a copy of it, which fine-tuning leaves alone.
    @Test(arguments: [8, 4])
    func branchesOfThePicture(bits: Int) throws {
        let dataset = try ExporterTests.trained.get().dataset
        let conv = Layer.conv2d(filters: 4, kernel: 3, stride: 1, padding: 1)
        let layers: [[Layer]] = [
            [.residual([.conv2d(filters: 1, kernel: 3, stride: 1, padding: 1), .relu])], [.concatenate([[], [conv, .relu]])],
        ]
        for (index, first) in layers.enumerated() {
            var hyper = Hyperparameters()
            hyper.epochs = 1
            let end: [Layer] = [.conv2d(filters: 8, kernel: 3, stride: 4, padding: 1), .relu, .flatten, .dense(units: 10)]
            let configuration = try RunConfiguration(
                toolkitVersion: "test", dataset: dataset,
                network: Architecture(
                    name: Array("branches".utf8), inputHeight: 28, inputWidth: 28, inputChannels: 1, classes: 10,
                    layers: first + end), hyperparameters: hyper)
            let path = NSTemporaryDirectory() + "deai-branch-tests-\(getpid())-\(bits)-\(index)"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let folder = try RunFolder.create(path, configuration: configuration, force: true)
            _ = try TrainingLoop(configuration, dataset: dataset, folder: folder, workers: .serial).run { _ in }
            var exporter = Exporter(calibration: .minMax, workers: .serial)
            exporter.weightBits = bits
            exporter.fineTuning = FineTuning(epochs: 1)
            let result = try exporter.export(folder, configuration, dataset: dataset)
            #expect(result.predicted == 200)
            let copies = result.model.layers.filter { layer in
                if case .depthwiseConv2d(let c) = layer { c.kernelHeight == 1 && c.weights == [1] && c.bias == [0] } else { false }
            }
            #expect(copies.count == 1)
        }
    }

    /// Four bits make the file smaller, and fine-tuning keeps within them.
    @Test func fourBitWeights() throws {
        let run = try ExporterTests.trained.get()
        var exporter = Exporter(calibration: .minMax, workers: .serial)
        exporter.correctsBiases = true
        let eight = try exporter.export(run.folder, run.configuration, dataset: run.dataset)
        exporter.weightBits = 4
        exporter.fineTuning = FineTuning(epochs: 2)
        let four = try exporter.export(run.folder, run.configuration, dataset: run.dataset)
        #expect(Double(four.bytes.count) < 0.62 * Double(eight.bytes.count))
        let weights = four.model.layers.compactMap { layer -> [Int8]? in
            switch layer {
            case .conv2d(let c): c.weights
            case .dense(let dense): dense.weights
            default: nil
            }
        }
        let largest = weights.map { $0.map(\.magnitude).max() ?? 0 }
        #expect(largest.count == 5 && largest[1...3] == [7, 7, 7] && largest[0] > 100 && largest[4] > 100)
        let (a, b) = (try #require(eight.provenance.accuracy), try #require(four.provenance.accuracy))
        #expect(b.int8Accuracy > a.int8Accuracy - 0.05)
        #expect(four.predicted == b.images)
        #expect(four.provenance.calibration.summary == "minmax + bias correction, 4-bit weights")
    }
}
