import Digests
import Inference
import NeuralNetwork
import Training

/// Layers, shapes and costs of a network, float or integer: what `inspect` shows.
public struct ModelSummary: Equatable, Sendable, Codable {
    public struct Row: Equatable, Sendable, Codable {
        public var layer: String
        /// Of one image: height x width x channels, or the length of a vector.
        public var output: String
        public var parameters: Int
        public var multiplyAccumulates: Int
        /// Weights, biases and multipliers as stored; of a run, the float parameters.
        public var bytes: Int
    }

    /// `run` or `int8`.
    public var kind: String
    public var name: String
    public var input: ImageGeometry
    public var labels: [String]
    public var layers: [Row]
    /// Of the file on the disk.
    public var fileBytes: Int
    /// Hexadecimal SHA-256: of the float weights of a run, of the whole file of an int8 model.
    public var sha256: String
    public var provenance: Provenance?
    /// Of the provenance section, where it is not the record of a toolkit.
    public var foreignProvenanceBytes: Int?
    public var configuration: RunConfiguration?

    public var parameters: Int { layers.reduce(0) { $0 + $1.parameters } }
    public var multiplyAccumulates: Int { layers.reduce(0) { $0 + $1.multiplyAccumulates } }

    /// Of an integer model and the file that it came from.
    public init(_ model: QuantizedModel, file: [UInt8]) {
        kind = "int8"
        name = String(decoding: model.name, as: UTF8.self)
        input = model.geometry
        labels = model.labelTexts
        let stored = (try? ModelFile.storedBytes(file, of: model)) ?? model.layers.map { _ in 0 }
        layers = model.layers.indices.map { index in
            let (layer, plan) = (model.layers[index], model.plan[index])
            let shape = plan.output
            let text = shape.isFlat ? "\(shape.count)" : "\(shape.height)x\(shape.width)x\(shape.channels)"
            return Row(
                layer: ModelSummary.text(layer), output: text, parameters: plan.parameters,
                multiplyAccumulates: Int(plan.multiplyAccumulates), bytes: stored[index])
        }
        fileBytes = file.count
        sha256 = hexadecimal(ModelFile.contentHash(file))
        provenance = Provenance(model)
        foreignProvenanceBytes = provenance == nil && !model.provenance.isEmpty ? model.provenance.count : nil
        configuration = nil
    }

    /// Of a run and the checkpoint that `model` was read from.
    public init(_ model: FloatModel, configuration: RunConfiguration, fileBytes: Int) throws(ExportError) {
        let network: Network
        do {
            network = try Network(model.architecture)
        } catch {
            throw .run(.invalid(error.explanation))
        }
        kind = "run"
        name = configuration.network.name
        input = configuration.network.input
        labels = model.labels
        layers = model.architecture.layers.indices.map { index in
            let parameters = network.parameters.filter { $0.layer == index }.reduce(0) { $0 + $1.count }
            let shape = network.layerShapes[index].dimensions.dropFirst()
            return Row(
                layer: ModelSummary.text(model.architecture.layers[index]),
                output: shape.map(String.init).joined(separator: "x"), parameters: parameters,
                multiplyAccumulates: network.layerMultiplyAccumulates[index], bytes: 4 * parameters)
        }
        self.fileBytes = fileBytes
        sha256 = hexadecimal(weightHash(of: model.parameters))
        provenance = nil
        self.configuration = configuration
    }

    private static func text(_ layer: Layer) -> String {
        switch layer {
        case .conv2d(let filters, let kernel, let stride, let padding, let dilation, let groups, let bias):
            "conv2d \(filters) \(kernel)x\(kernel) stride \(stride) pad \(padding)"
                + (dilation == 1 ? "" : " dilation \(dilation)") + (groups == 1 ? "" : " groups \(groups)")
                + (bias ? "" : " without bias")
        case .depthwiseConv2d(let kernel, let stride, let padding, let bias):
            "depthwiseConv2d \(kernel)x\(kernel) stride \(stride) pad \(padding)" + (bias ? "" : " without bias")
        case .maxPool2d(let window, let stride): "maxPool2d \(window)x\(window) stride \(stride)"
        case .dense(let units): "dense \(units)"
        case .averagePool2d(let window, let stride): "averagePool2d \(window)x\(window) stride \(stride)"
        case .dropout(let rate): "dropout \(rate)"
        case .residual(let body, let projection):
            "residual (\(list(body)))" + (projection.isEmpty ? "" : " + (\(list(projection)))")
        case .concatenate(let branches): "concatenate " + branches.map { "(\(list($0)))" }.joined(separator: " ")
        case .batchNorm, .layerNorm, .relu, .relu6, .hardSwish, .silu, .gelu, .sigmoid, .tanh, .globalAveragePool,
            .flatten:
            "\(layer.name)"
        }
    }

    private static func list(_ layers: [Layer]) -> String { layers.map(text).joined(separator: ", ") }

    /// One line about a layer of an integer model.
    public static func text(_ layer: QuantizedLayer) -> String {
        func suffix(_ output: QuantizedOutput) -> String {
            switch output {
            case .activations(let low, _): low == 0 ? " + relu" : ""
            case .logits: " -> logits"
            }
        }
        return switch layer {
        case .conv2d(let conv):
            "conv2d \(conv.outputChannels) \(conv.kernelHeight)x\(conv.kernelWidth) stride \(conv.stride) "
                + "pad \(conv.padding)\(suffix(conv.output))"
        case .dense(let dense): "dense \(dense.outputs)\(suffix(dense.output))"
        case .maxPool2d(let window, let stride): "maxPool2d \(window)x\(window) stride \(stride)"
        case .flatten: "flatten"
        case .depthwiseConv2d(let conv):
            "depthwiseConv2d \(conv.kernelHeight)x\(conv.kernelWidth) stride \(conv.stride) "
                + "pad \(conv.padding)\(suffix(conv.output))"
        case .averagePool2d(let pool):
            "averagePool2d \(pool.windowHeight)x\(pool.windowWidth) stride \(pool.stride)"
                + suffix(pool.output)
        case .add(let add): "add layer \(add.source)\(suffix(add.output))"
        case .output(let source): "output of layer \(source)"
        }
    }
}
