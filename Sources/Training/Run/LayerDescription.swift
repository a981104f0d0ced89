import NeuralNetwork

/// One layer as JSON; only the sizes that its kind has are present.
public struct LayerDescription: Equatable, Sendable, Codable {
    public var kind: String
    public var filters: Int?
    public var kernel: Int?
    public var window: Int?
    public var stride: Int?
    public var padding: Int?
    public var units: Int?
    public var dilation: Int?
    public var groups: Int?
    public var bias: Bool?
    public var epsilon: Float?
    public var momentum: Float?
    public var rate: Float?
    /// Of a residual block.
    public var layers: [LayerDescription]?
    public var projection: [LayerDescription]?
    /// Of a concatenation.
    public var branches: [[LayerDescription]]?

    /// For each kind the fields that must and those that may be present.
    private static let fields: [String: (needed: [String], allowed: [String])] = [
        "conv2d": (["filters", "kernel"], ["stride", "padding", "dilation", "groups", "bias"]),
        "depthwiseConv2d": (["kernel"], ["stride", "padding", "bias"]),
        "batchNorm": ([], ["epsilon", "momentum"]), "layerNorm": ([], ["epsilon"]),
        "maxPool2d": (["window"], ["stride"]), "averagePool2d": (["window"], ["stride"]),
        "globalAveragePool": ([], []), "flatten": ([], []), "dense": ([], ["units"]), "dropout": (["rate"], []),
        "relu": ([], []), "relu6": ([], []), "hardSwish": ([], []), "silu": ([], []), "gelu": ([], []),
        "sigmoid": ([], []), "tanh": ([], []), "residual": (["layers"], ["projection"]),
        "concatenate": (["branches"], []),
    ]

    /// What is left out are the defaults that `layer` puts in again, where earlier versions left it out as well.
    public init(_ layer: Layer) {
        kind = "\(layer.name)"
        switch layer {
        case .conv2d(let filters, let kernel, let stride, let padding, let dilation, let groups, let bias):
            self.filters = filters
            self.kernel = kernel
            self.stride = stride
            self.padding = padding
            self.dilation = dilation == 1 ? nil : dilation
            self.groups = groups == 1 ? nil : groups
            self.bias = bias ? nil : false
        case .depthwiseConv2d(let kernel, let stride, let padding, let bias):
            self.kernel = kernel
            self.stride = stride
            self.padding = padding
            self.bias = bias ? nil : false
        case .batchNorm(let epsilon, let momentum):
            self.epsilon = epsilon == LayerDescription.epsilon ? nil : epsilon
            self.momentum = momentum == LayerDescription.momentum ? nil : momentum
        case .layerNorm(let epsilon): self.epsilon = epsilon == LayerDescription.epsilon ? nil : epsilon
        case .maxPool2d(let window, let stride), .averagePool2d(let window, let stride):
            self.window = window
            self.stride = stride
        case .dense(let units): self.units = units
        case .dropout(let rate): self.rate = rate
        case .residual(let body, let projection):
            layers = body.map { LayerDescription($0) }
            self.projection = projection.isEmpty ? nil : projection.map { LayerDescription($0) }
        case .concatenate(let lists): branches = lists.map { list in list.map { LayerDescription($0) } }
        case .relu, .relu6, .hardSwish, .silu, .gelu, .sigmoid, .tanh, .globalAveragePool, .flatten: break
        }
    }

    private static let epsilon: Float = 1e-5
    private static let momentum: Float = 0.1

    /// The layer; throws naming its place and what is wrong with it.
    ///
    /// - Parameters:
    ///   - classes: the units of a dense layer that does not say how many it has.
    ///   - place: such as `layer 3` or `layer 3, projection 0`.
    func layer(classes: Int, at place: String) throws(RunError) -> Layer {
        try checkFields(at: place)
        let stride = stride ?? 1
        let padding = padding ?? 0
        let hasBias = bias ?? true
        switch kind {
        case "conv2d":
            return .conv2d(
                filters: filters ?? 0, kernel: kernel ?? 0, stride: stride, padding: padding,
                dilation: dilation ?? 1, groups: groups ?? 1, bias: hasBias)
        case "depthwiseConv2d":
            return .depthwiseConv2d(kernel: kernel ?? 0, stride: stride, padding: padding, bias: hasBias)
        case "batchNorm":
            return .batchNorm(
                epsilon: epsilon ?? LayerDescription.epsilon, momentum: momentum ?? LayerDescription.momentum)
        case "layerNorm": return .layerNorm(epsilon: epsilon ?? LayerDescription.epsilon)
        case "maxPool2d": return .maxPool2d(window: window ?? 0, stride: self.stride ?? window ?? 0)
        case "averagePool2d": return .averagePool2d(window: window ?? 0, stride: self.stride ?? window ?? 0)
        case "dense": return .dense(units: units ?? classes)
        case "dropout": return .dropout(rate: rate ?? 0)
        case "residual":
            return .residual(
                try LayerDescription.layers(layers ?? [], classes: classes, at: "\(place), layer"),
                projection: try LayerDescription.layers(
                    projection ?? [], classes: classes, at: "\(place), projection"))
        case "concatenate":
            var lists: [[Layer]] = []
            for (index, branch) in (branches ?? []).enumerated() {
                lists.append(
                    try LayerDescription.layers(branch, classes: classes, at: "\(place), branch \(index), layer"))
            }
            return .concatenate(lists)
        case "globalAveragePool": return .globalAveragePool
        case "flatten": return .flatten
        case "relu": return .relu
        case "relu6": return .relu6
        case "hardSwish": return .hardSwish
        case "silu": return .silu
        case "gelu": return .gelu
        case "sigmoid": return .sigmoid
        default: return .tanh
        }
    }

    static func layers(
        _ descriptions: [LayerDescription], classes: Int, at place: String
    ) throws(RunError) -> [Layer] {
        var layers: [Layer] = []
        for (index, description) in descriptions.enumerated() {
            layers.append(try description.layer(classes: classes, at: "\(place) \(index)"))
        }
        return layers
    }

    /// Throws when the kind is unknown, when one of its fields is missing, or when there is one that it has not.
    private func checkFields(at place: String) throws(RunError) {
        guard let (needed, allowed) = LayerDescription.fields[kind] else {
            let names = LayerDescription.fields.keys.sorted()
            let close = CloseNames.suggestions(for: kind, among: names)
            let hint = close.isEmpty ? "" : " Did you mean \(close.joined(separator: " or "))?"
            throw .invalid("\(place) is of the unknown kind “\(kind)”.\(hint) There are: \(names.joined(separator: ", ")).")
        }
        let present = present
        for field in needed where !present.contains(field) {
            throw .invalid("\(place) (\(kind)) has no “\(field)”")
        }
        for field in present where !needed.contains(field) && !allowed.contains(field) {
            let known = needed + allowed
            throw .invalid(
                "\(place) (\(kind)) cannot have “\(field)”; it has "
                    + (known.isEmpty ? "no fields besides “kind”" : known.joined(separator: ", ")))
        }
    }

    /// The fields that are there, besides the kind.
    private var present: [String] {
        let all: [(String, Bool)] = [
            ("filters", filters != nil), ("kernel", kernel != nil), ("window", window != nil),
            ("stride", stride != nil), ("padding", padding != nil), ("units", units != nil),
            ("dilation", dilation != nil), ("groups", groups != nil), ("bias", bias != nil),
            ("epsilon", epsilon != nil), ("momentum", momentum != nil), ("rate", rate != nil),
            ("layers", layers != nil), ("projection", projection != nil), ("branches", branches != nil),
        ]
        return all.filter(\.1).map(\.0)
    }

    /// The layer in a few words, the same for equal layers.
    var summary: String {
        var sizes = [
            filters.map { "filters \($0)" }, kernel.map { "kernel \($0)" }, window.map { "window \($0)" },
            stride.map { "stride \($0)" }, padding.map { "padding \($0)" }, units.map { "units \($0)" },
            dilation.map { "dilation \($0)" }, groups.map { "groups \($0)" },
            bias.map { $0 ? "bias" : "no bias" }, epsilon.map { "epsilon \($0)" },
            momentum.map { "momentum \($0)" }, rate.map { "rate \($0)" },
        ].compactMap { $0 }
        func list(_ layers: [LayerDescription]) -> String { layers.map(\.summary).joined(separator: " > ") }
        if let layers { sizes.append(list(layers)) }
        if let projection { sizes.append("projection " + list(projection)) }
        if let branches { sizes += branches.map { "branch " + list($0) } }
        return sizes.isEmpty ? kind : kind + "(" + sizes.joined(separator: ", ") + ")"
    }
}

/// Names of fields, to find those that there are not.
struct FieldName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }

    /// Throws when an object has a field that is not `known`; `owner` is what would have it.
    static func check(_ decoder: any Decoder, known: [String], of owner: String) throws {
        let names = try decoder.container(keyedBy: FieldName.self).allKeys.map(\.stringValue)
        for name in names.sorted() where !known.contains(name) {
            let close = CloseNames.suggestions(for: name, among: known.sorted())
            let hint = close.isEmpty ? "" : "; did you mean \(close.joined(separator: " or "))?"
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "no \(owner) has a field “\(name)”\(hint)"))
        }
    }
}

extension LayerDescription {
    public init(from decoder: any Decoder) throws {
        let known = LayerDescription.fields.values.flatMap { $0.needed + $0.allowed }
        try FieldName.check(decoder, known: ["kind"] + Set(known), of: "layer")
        let values = try decoder.container(keyedBy: CodingKeys.self)
        /// A number that is not held by the type says its place, too.
        func number<Number: Decodable>(_ key: CodingKeys) throws -> Number? {
            do {
                return try values.decodeIfPresent(Number.self, forKey: key)
            } catch DecodingError.typeMismatch(let type, let context) {
                throw DecodingError.typeMismatch(type, context)
            } catch {
                let found = (try? values.decode(Double.self, forKey: key)).map { "\($0)" } ?? "the number"
                let wanted = Number.self == Int.self ? "a whole number" : "a number that 32 bits hold"
                throw DecodingError.dataCorrupted(
                    .init(codingPath: values.codingPath + [key], debugDescription: "\(found) is not \(wanted)"))
            }
        }
        kind = try values.decode(String.self, forKey: .kind)
        filters = try number(.filters)
        kernel = try number(.kernel)
        window = try number(.window)
        stride = try number(.stride)
        padding = try number(.padding)
        units = try number(.units)
        dilation = try number(.dilation)
        groups = try number(.groups)
        bias = try values.decodeIfPresent(Bool.self, forKey: .bias)
        epsilon = try number(.epsilon)
        momentum = try number(.momentum)
        rate = try number(.rate)
        layers = try values.decodeIfPresent([LayerDescription].self, forKey: .layers)
        projection = try values.decodeIfPresent([LayerDescription].self, forKey: .projection)
        branches = try values.decodeIfPresent([[LayerDescription]].self, forKey: .branches)
    }
}
