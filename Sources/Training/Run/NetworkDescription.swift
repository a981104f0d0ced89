import NeuralNetwork

/// An `Architecture` as JSON: the text form that a run folder keeps.
public struct NetworkDescription: Equatable, Sendable, Codable {
    /// One layer; only the sizes that its kind has are present.
    public struct LayerDescription: Equatable, Sendable, Codable {
        public var kind: String
        public var filters: Int?
        public var kernel: Int?
        public var window: Int?
        public var stride: Int?
        public var padding: Int?
        public var units: Int?
    }

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
        layers = architecture.layers.map { layer in
            var description = LayerDescription(kind: "\(layer.name)")
            switch layer {
            case .conv2d(let filters, let kernel, let stride, let padding):
                description.filters = filters
                description.kernel = kernel
                description.stride = stride
                description.padding = padding
            case .maxPool2d(let window, let stride):
                description.window = window
                description.stride = stride
            case .dense(let units): description.units = units
            case .relu, .flatten: break
            }
            return description
        }
    }

    /// The architecture; throws naming the layer that is not understood.
    public func architecture() throws(RunError) -> Architecture {
        var result: [Layer] = []
        for (index, layer) in layers.enumerated() {
            switch (
                layer.kind, layer.filters, layer.kernel, layer.window, layer.stride, layer.padding,
                layer.units
            ) {
            case ("conv2d", let filters?, let kernel?, _, let stride?, let padding?, _):
                result.append(.conv2d(filters: filters, kernel: kernel, stride: stride, padding: padding))
            case ("maxPool2d", _, _, let window?, let stride?, _, _):
                result.append(.maxPool2d(window: window, stride: stride))
            case ("dense", _, _, _, _, _, let units?): result.append(.dense(units: units))
            case ("relu", _, _, _, _, _, _): result.append(.relu)
            case ("flatten", _, _, _, _, _, _): result.append(.flatten)
            default:
                throw .invalid("layer \(index) (“\(layer.kind)”) is unknown or one of its sizes is missing")
            }
        }
        return Architecture(
            name: Array(name.utf8), inputHeight: input.height, inputWidth: input.width,
            inputChannels: input.channels, classes: classes, layers: result)
    }

    /// The network in one line, the same for equal networks: what a checkpoint is compared by.
    public var summary: String {
        let parts = layers.map { layer -> String in
            let sizes = [
                layer.filters.map { "filters \($0)" }, layer.kernel.map { "kernel \($0)" },
                layer.window.map { "window \($0)" }, layer.stride.map { "stride \($0)" },
                layer.padding.map { "padding \($0)" }, layer.units.map { "units \($0)" },
            ].compactMap { $0 }
            return sizes.isEmpty ? layer.kind : layer.kind + "(" + sizes.joined(separator: ", ") + ")"
        }
        return "\(name) \(input) > " + parts.joined(separator: " > ")
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
