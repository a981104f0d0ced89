import Export
import Foundation
import Inference
import Kernels
import NeuralNetwork
import Testing
import Training

@Suite struct EqualisationTests {
    /// A separable network whose first layer has channels of very different size.
    static func network(_ activation: Layer) throws -> (FusedNetwork, LabelledImages, [Float]) {
        let architecture = QuantizerTests.network(
            [
                FoldingTests.conv, activation, .depthwiseConv2d(kernel: 3, stride: 1, padding: 1), activation,
                .conv2d(filters: 8, kernel: 1, stride: 1, padding: 0), .relu,
            ] + FoldingTests.end, classes: 3, side: 8)
        var model = try FoldingTests.model(architecture, seed: 6)
        var parameters = model.parameters
        for place in parameters[0].indices { parameters[0][place] *= [6, 0.4, 1, 0.5, 3, 0.8][place % 6] }
        for channel in 0..<6 { parameters[1][channel] *= [6, 0.4, 1, 0.5, 3, 0.8][channel] }
        model = FloatModel(
            architecture: architecture, preprocessing: model.preprocessing, labels: model.labels,
            parameters: parameters)
        let images = FoldingTests.images(architecture, count: 30, seed: 6)
        return (try FusedNetwork(model), images, try FoldingTests.floatLogits(model, images))
    }

    @Test(arguments: [Layer.relu, .relu6])
    func theFunctionStaysAndItsChannelsAreEvenedOut(activation: Layer) throws {
        let (network, images, float) = try EqualisationTests.network(activation)
        let before = try Calibrator.observe(network, images: images, workers: .serial)
        let equalised = network.equalised(before)
        #expect(FoldingTests.signalToNoise(float, try equalised.logits(images, workers: .serial)) > 1e8)
        let after = try Calibrator.observe(equalised, images: images, workers: .serial)
        let maxima = try #require(after.channelMaxima[0])
        #expect((before.channelMaxima[0]?.min() ?? 1) < 0.3 * (before.channelMaxima[0]?.max() ?? 0))
        // No channel is raised by more than 64.
        #expect((maxima.min() ?? 0) > 0.4 * (maxima.max() ?? 1))
        func report(_ network: FusedNetwork, _ observations: Observations) throws -> LayerReport {
            let quantization = try Quantizer(ranges: observations.ranges(.minMax, levels: 127)).quantize(network)
            return try LayerReport(network, quantization, images: images, workers: .serial)
        }
        let (plain, even) = (try report(network, before), try report(equalised, after))
        // The small channels are lost in the range of the large one, and it is the layer behind that suffers.
        #expect(plain.rows.count == 5 && plain.images == 30)
        #expect((even.rows.last?.decibels ?? 0) > (plain.rows.last?.decibels ?? 99))
        #expect((even.worst?.ownDecibels ?? 0) > (plain.worst?.ownDecibels ?? 99))
    }

    /// What is reported for the last layer is what can be measured from outside.
    @Test func theReportMeasuresTheLogits() throws {
        let (network, images, float) = try EqualisationTests.network(.relu)
        let observations = try Calibrator.observe(network, images: images, workers: .serial)
        let quantization = try Quantizer(ranges: observations.ranges(.minMax, levels: 127)).quantize(network)
        let report = try LayerReport(network, quantization, images: images, workers: .serial)
        let logits = IntegerClassifier(quantization.model, workers: .serial).logits(images)
        let ratio = FoldingTests.signalToNoise(float, logits.map { Float($0) * quantization.model.logitScale })
        let last = try #require(report.rows.last)
        #expect(abs(last.decibels - 10 * Double(log10(ratio))) < 0.05)
        #expect(last.layer == quantization.model.layers.count - 1)
        #expect(report.worst == report.rows.min { $0.ownDecibels < $1.ownDecibels })
    }

    /// In one layer nothing else moves the mean of the logits.
    @Test func biasesMakeUpForRoundedWeights() throws {
        let architecture = QuantizerTests.network([.flatten, .dense(units: 3)], classes: 3, side: 8)
        let model = try FoldingTests.model(architecture, seed: 2)
        let images = FoldingTests.images(architecture, count: 60, seed: 2)
        let network = try FusedNetwork(model)
        let observations = try Calibrator.observe(network, images: images, workers: .serial)
        let float = try FoldingTests.floatLogits(model, images)
        func shift(_ means: [Int: [Float]]) throws -> Float {
            let quantized = try Quantizer(ranges: [:], inputMeans: means).quantize(network).model
            let logits = IntegerClassifier(quantized, workers: .serial).logits(images)
            return (0..<3).reduce(Float(0)) { sum, output in
                let difference = stride(from: output, to: logits.count, by: 3).reduce(Float(0)) {
                    $0 + Float(logits[$1]) * quantized.logitScale - float[$1]
                }
                return sum + abs(difference)
            }
        }
        #expect(try shift(observations.inputMeans) < 0.3 * shift([:]))
    }
}
