import Foundation
import Interchange
import Kernels
import NeuralNetwork

/// A network in a file beside the tests, with images and what PyTorch gives for them (scripts/onnx-vectors.py).
struct NetworkVector: Decodable, Sendable {
    var images: [String]
    var logits: [[Float]]
    var mean: Double
    var std: Double

    static func named(_ name: String) throws -> NetworkVector {
        try JSONDecoder().decode(NetworkVector.self, from: Data(contentsOf: file(name + ".json")))
    }

    static func file(_ name: String) -> URL {
        let folder = Bundle.module.resourceURL ?? URL(fileURLWithPath: ".")
        return folder.appendingPathComponent("Vectors").appendingPathComponent(name)
    }

    /// All images one after the other.
    var pixels: [UInt8] {
        images.flatMap { image in
            stride(from: 0, to: image.utf8.count, by: 2).compactMap { at in
                let start = image.utf8.index(image.utf8.startIndex, offsetBy: at)
                return UInt8(image[start..<image.utf8.index(start, offsetBy: 2)], radix: 16)
            }
        }
    }
}

/// What the toolkit gives for images, one row of logits for each.
func logits(
    _ architecture: Architecture, _ parameters: [[Float]], _ preprocessing: Preprocessing, pixels: [UInt8]
) throws -> [[Float]] {
    let count = pixels.count / architecture.inputCount
    let evaluator = try Evaluator(
        network: try Network(architecture), preprocessing: preprocessing, batch: max(count, 1))
    let flat = try pixels.withUnsafeBufferPointer {
        try evaluator.logits(pixels: $0, count: count, parameters: parameters)
    }
    return (0..<count).map { Array(flat[($0 * architecture.classes)..<(($0 + 1) * architecture.classes)]) }
}

func logits(_ network: ImportedNetwork, pixels: [UInt8]) throws -> [[Float]] {
    try logits(network.architecture, network.parameters, network.preprocessing, pixels: pixels)
}

/// The largest difference of two tables of equal size.
func difference(_ a: [[Float]], _ b: [[Float]]) -> Float {
    guard a.map(\.count) == b.map(\.count) else { return .infinity }
    return zip(a.joined(), b.joined()).map { abs($0 - $1) }.max() ?? 0
}

/// A small seeded network with parameters, as a preset would be trained.
struct SmallNetwork {
    var architecture: Architecture
    var parameters: [[Float]]
    var preprocessing: Preprocessing

    static func preset(_ preset: Preset, channels: Int, side: Int = 16, classes: Int = 5) throws -> SmallNetwork {
        try SmallNetwork(
            preset.architecture(height: side, width: side, channels: channels, classes: classes), channels: channels)
    }

    init(_ architecture: Architecture, channels: Int) throws {
        self.architecture = architecture
        parameters = try Network(architecture).initialParameters(seed: 11)
        preprocessing = Preprocessing(zeroPoints: channels == 1 ? [73] : [125, 0, 255], scale: 0.0113)
    }

    func images(_ count: Int) -> [UInt8] {
        var random = SplitMix64(seed: 5)
        return (0..<(count * architecture.inputCount)).map { _ in UInt8(truncatingIfNeeded: random.next() >> 56) }
    }
}
