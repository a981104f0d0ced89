import Foundation
import Interchange
import NeuralNetwork
import Training

/// A file of another tool, and what it does not say itself.
struct ForeignNetwork {
    let path: String
    /// The network of safetensors weights: a preset, or that of a run.
    var model: String?
    var like: String?
    /// Of pixel / 255; nil as the file says, or 0 and 1.
    var mean: [Double]?
    var deviation: [Double]?

    static func isSafetensors(_ path: String) -> Bool { path.hasSuffix(".safetensors") }

    /// - Parameter dataset: gives the sizes of a preset.
    func read(for dataset: String) throws -> ImportedNetwork {
        guard ForeignNetwork.isSafetensors(path) else {
            var importer = ONNXImporter()
            importer.normalisation = PixelNormalisation(mean: mean ?? [0], deviation: deviation ?? [1])
            return try importer.read(path)
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(.inputOutput, "cannot read \(path)")
        }
        let file = try Safetensors([UInt8](data))
        let architecture: Architecture
        let labels: [String]?
        if let like {
            let other = try RunFolder.open(like).configuration
            architecture = try other.network.architecture()
            labels = other.labels
        } else {
            let data = try loadDataset(dataset)
            architecture = try NetworkDescription.architecture(
                named: model ?? "", input: data.geometry, classes: data.labels.count)
            labels = nil
        }
        return ImportedNetwork(
            architecture: architecture,
            parameters: try StateDictionary.parameters(architecture, from: file.tensors),
            preprocessing: try preprocessing(file, architecture.inputChannels), labels: labels, notes: [])
    }

    private func preprocessing(_ file: Safetensors, _ channels: Int) throws -> Preprocessing {
        if mean == nil, deviation == nil, let text = file.metadata["zero_points"],
            let scale = file.metadata["pixel_scale"], let scale = Float(scale)
        {
            let zeroPoints = text.split(separator: ",").compactMap { Int32($0) }
            if zeroPoints.count == channels { return Preprocessing(zeroPoints: zeroPoints, scale: scale) }
        }
        let (mean, deviation) = (mean ?? [0], deviation ?? [1])
        guard deviation.count == 1, mean.count == 1 || mean.count == channels, deviation[0] > 0 else {
            throw CommandFailure(
                .usage, "weights alone can be normalised with one --std and one --mean, or one --mean for each channel")
        }
        return Preprocessing(
            zeroPoints: (0..<channels).map { Int32((255 * mean[$0 % mean.count]).rounded()) },
            scale: Float(1 / (255 * deviation[0])))
    }
}
