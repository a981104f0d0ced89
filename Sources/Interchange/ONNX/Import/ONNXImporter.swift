import Foundation
import NeuralNetwork

/// A network that another tool trained, as the toolkit has it.
public struct ImportedNetwork: Sendable {
    public let architecture: Architecture
    /// In declaration order, layouts of the toolkit.
    public let parameters: [[Float]]
    public let preprocessing: Preprocessing
    /// When the file says them.
    public let labels: [String]?
    /// What a person should know: steps left out, small differences at borders.
    public let notes: [String]

    public init(
        architecture: Architecture, parameters: [[Float]], preprocessing: Preprocessing, labels: [String]?,
        notes: [String]
    ) {
        self.architecture = architecture
        self.parameters = parameters
        self.preprocessing = preprocessing
        self.labels = labels
        self.notes = notes
    }
}

/// Reads image classifiers from ONNX files.
public struct ONNXImporter: Sendable {
    public var limits = ONNXLimits()
    /// What a float input stands for; a model that takes uint8 images says it itself.
    public var normalisation = PixelNormalisation()

    public init() {}

    /// The network in the file at `path`; data beside it is read from its folder only.
    public func read(_ path: String) throws(ONNXError) -> ImportedNetwork {
        let url = URL(fileURLWithPath: path)
        guard let values = try? url.resourceValues(forKeys: [.fileSizeKey, .isRegularFileKey]),
            values.isRegularFile == true, let size = values.fileSize
        else {
            throw .file(path: path, reason: "there is no such file, or it cannot be read")
        }
        guard size <= limits.fileBytes else {
            throw .file(path: path, reason: "\(size) bytes are more than the limit of \(limits.fileBytes)")
        }
        guard let data = try? Data(contentsOf: url) else { throw .file(path: path, reason: "it cannot be read") }
        let name = url.deletingPathExtension().lastPathComponent
        return try read([UInt8](data), name: name, folder: url.deletingLastPathComponent().path)
    }

    /// The network in the bytes of a file.
    ///
    /// - Parameters:
    ///   - name: of the network when the model does not say one.
    ///   - folder: where data beside the model may be read from; nil refuses it.
    public func read(_ bytes: [UInt8], name: String, folder: String? = nil) throws(ONNXError) -> ImportedNetwork {
        let graph = try OrderedGraph(bytes, folder: folder, limits: limits)
        var lowered = try Lowering.lower(graph, limits: limits, folder: folder)
        let preprocessing = try lowered.takePreprocessing(graph.inputType == .uint8 ? nil : normalisation)
        try lowered.simplify()
        let emission = try LayerEmission(lowered)
        let image = lowered.nodes[0].extent
        let architecture = Architecture(
            name: Array(Self.clean(graph.metadata["name"] ?? name).utf8), inputHeight: image.height,
            inputWidth: image.width, inputChannels: image.channels, classes: lowered.nodes[lowered.output].extent.channels,
            layers: emission.layers)
        do {
            let network = try Network(architecture)
            guard network.parameters.map(\.count) == emission.parameters.map(\.count) else {
                throw ONNXError.graph("its weights do not fit its layers")
            }
        } catch let error as ONNXError {
            throw error
        } catch {
            throw .graph("its layers do not make a classifier (\(error))")
        }
        return ImportedNetwork(
            architecture: architecture, parameters: emission.parameters, preprocessing: preprocessing,
            labels: graph.metadata["labels"].flatMap { try? JSONDecoder().decode([String].self, from: Data($0.utf8)) },
            notes: lowered.notes)
    }

    /// A name for files and tables: printable, not too long.
    private static func clean(_ name: String) -> String {
        let printable = String(name.unicodeScalars.filter { !$0.properties.isWhitespace && $0.value >= 0x20 })
        return printable.isEmpty ? "imported" : String(decoding: Array(printable.utf8.prefix(64)), as: UTF8.self)
    }
}
