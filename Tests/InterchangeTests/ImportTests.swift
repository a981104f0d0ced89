import Foundation
import Interchange
import NeuralNetwork
import Testing

/// Networks that PyTorch exported give the logits that PyTorch gives.
@Suite struct ImportTests {
    @Test(arguments: ["lenet", "lenet-torchscript", "lenet-external", "batchnorm", "shapes", "keras-like"])
    func givesTheLogitsOfPyTorch(name: String) throws {
        let vector = try NetworkVector.named(name)
        var importer = ONNXImporter()
        importer.normalisation = PixelNormalisation(mean: [vector.mean], deviation: [vector.std])
        let network = try importer.read(NetworkVector.file(name + ".onnx").path)
        let found = try logits(network, pixels: vector.pixels)
        // Networks that end with a softmax are compared after one: logits are known up to a constant.
        let endsWithSoftmax = network.notes.contains { $0.contains("oftmax") }
        let isProbability = vector.logits.allSatisfy { abs($0.reduce(0, +) - 1) < 1e-3 }
        let compared = endsWithSoftmax && isProbability ? found.map(softmax) : found
        #expect(difference(compared, vector.logits) < 1e-4)
        #expect(endsWithSoftmax == ["shapes", "keras-like"].contains(name))
    }

    func softmax(_ row: [Float]) -> [Float] {
        let exponentials = row.map { exp(Double($0)) }
        return exponentials.map { Float($0 / exponentials.reduce(0, +)) }
    }

    @Test func foldsWhatHasNoLayerOfItsOwn() throws {
        let network = try ONNXImporter().read(NetworkVector.file("batchnorm.onnx").path)
        #expect(
            network.architecture.layers == [
                .conv2d(filters: 6, kernel: 3, stride: 1, padding: 1), .relu, .maxPool2d(window: 2, stride: 2),
                .conv2d(filters: 8, kernel: 3, stride: 1, padding: 0), .relu, .flatten, .dense(units: 4),
            ])
        #expect(network.preprocessing == Preprocessing(zeroPoints: [0, 0, 0], scale: 1 / 255))
        #expect(network.notes.isEmpty)
    }

    /// A mean of 0.5 is pixel 127.5, which no zero point is: the remainder goes into the bias.
    @Test func normalisationFitsTheIntegers() throws {
        var importer = ONNXImporter()
        importer.normalisation = PixelNormalisation(mean: [0.2, 0.4, 0.6], deviation: [0.5, 0.25, 1])
        let network = try importer.read(NetworkVector.file("keras-like.onnx").path)
        #expect(network.preprocessing.zeroPoints.count == 3)
        let plain = try ONNXImporter().read(NetworkVector.file("lenet.onnx").path)
        #expect(plain.preprocessing.zeroPoints == [0])
    }
}
