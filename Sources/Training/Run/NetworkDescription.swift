import NeuralNetwork

/// An `Architecture` as JSON: the text form that a run folder keeps.
public struct NetworkDescription: Equatable, Sendable, Codable {
    public var name: String
    public var input: ImageGeometry
    public var classes: Int
    public var layers: [LayerDescription]

    public init(_ architecture: Architecture) {
        name = String(decoding: architecture.name, as: UTF8.self)
        input = ImageGeometry(
            height: architecture.inputHeight, width: architecture.inputWidth,
            channels: architecture.inputChannels)
        classes = architecture.classes
        layers = architecture.layers.map { LayerDescription($0) }
    }

    /// The architecture; throws naming the layer that is not understood.
    public func architecture() throws(RunError) -> Architecture {
        Architecture(
            name: Array(name.utf8), inputHeight: input.height, inputWidth: input.width,
            inputChannels: input.channels, classes: classes,
            layers: try LayerDescription.layers(layers, classes: classes, at: "layer"))
    }

    /// The network in one line, the same for equal networks: what a checkpoint is compared by.
    public var summary: String {
        "\(name) \(input) > " + layers.map(\.summary).joined(separator: " > ")
    }
}

extension Preset {
    /// The preset called `name`; throws listing the close ones.
    public static func named(_ name: String) throws(RunError) -> Preset {
        let names = allCases.map { "\($0.name)" }
        guard let index = names.firstIndex(of: name) else {
            let close = CloseNames.suggestions(for: name, among: names)
            let hint = close.isEmpty ? "" : " Did you mean \(close.joined(separator: " or "))?"
            throw .invalid("unknown model “\(name)”.\(hint) There are: \(names.joined(separator: ", ")).")
        }
        return allCases[index]
    }
}
