import Foundation
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

extension NetworkDescription {
    /// A network of one's own: a JSON object with `layers` and, if wanted, `name`; input and classes come from the data.
    private struct File: Decodable {
        var name: String?
        var layers: [LayerDescription]

        private enum CodingKeys: String, CodingKey, CaseIterable { case name, layers }

        init(from decoder: any Decoder) throws {
            try FieldName.check(decoder, known: CodingKeys.allCases.map(\.rawValue), of: "network")
            let values = try decoder.container(keyedBy: CodingKeys.self)
            name = try values.decodeIfPresent(String.self, forKey: .name)
            layers = try values.decode([LayerDescription].self, forKey: .layers)
        }
    }

    /// The network that `model` names, for images of this geometry.
    ///
    /// - Parameter model: a preset, `preset:multiplier` such as `mobilenet:0.5`, or a file ending in `.json`.
    public static func architecture(
        named model: String, input: ImageGeometry, classes: Int
    ) throws(RunError) -> Architecture {
        if model.hasSuffix(".json") { return try architecture(file: model, input: input, classes: classes) }
        let parts = model.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let preset = try Preset.named(parts[0])
        var multiplier: Float = 1
        if parts.count == 2 {
            guard preset.hasWidth else { throw .invalid("\(preset.name) has no width multiplier") }
            guard let number = Float(parts[1]), number >= 0.1, number <= 10 else {
                throw .invalid("“\(parts[1])” is no width multiplier; give a number from 0.1 to 10")
            }
            multiplier = number
        }
        var architecture = preset.architecture(
            height: input.height, width: input.width, channels: input.channels, classes: classes,
            multiplier: multiplier)
        architecture.name = Array(model.utf8)
        return architecture
    }

    private static func architecture(
        file: String, input: ImageGeometry, classes: Int
    ) throws(RunError) -> Architecture {
        let bytes: [UInt8]
        do {
            bytes = try HostFile.read(file, limit: 1 << 20)
        } catch .unreadable(_, let reason) {
            throw .unreadable(path: file, reason: reason)
        } catch {
            throw .invalid("\(error)")
        }
        let found: File
        do {
            found = try JSONDecoder().decode(File.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw .invalid("\(file): \(syntaxFault(bytes) ?? error.sentence)")
        } catch {
            throw .invalid("\(file): \(error)")
        }
        let base = file.split(separator: "/").last.map { String($0.dropLast(5)) } ?? "network"
        let layers: [Layer]
        do {
            layers = try LayerDescription.layers(found.layers, classes: classes, at: "layer")
        } catch {
            throw .invalid("\(file): \(error)")
        }
        return Architecture(
            name: Array((found.name ?? base).utf8), inputHeight: input.height, inputWidth: input.width,
            inputChannels: input.channels, classes: classes, layers: layers)
    }
}

extension NetworkDescription {
    /// Where the text is no JSON, and why; the decoder does not say.
    private static func syntaxFault(_ bytes: [UInt8]) -> String? {
        do {
            _ = try JSONSerialization.jsonObject(with: Data(bytes))
            return nil
        } catch {
            let reason = (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String
            return reason.map { "it is not valid JSON: \($0)" }
        }
    }
}

extension DecodingError {
    /// Where in the file, and what is wrong there.
    var sentence: String {
        func place(_ path: [any CodingKey]) -> String {
            let text = path.map { key in key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }.joined()
            return text.isEmpty ? "" : "at \(text.drop { $0 == "." }): "
        }
        switch self {
        case .keyNotFound(let key, let context): return place(context.codingPath) + "“\(key.stringValue)” is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            return place(context.codingPath) + context.debugDescription
        @unknown default: return "it cannot be read"
        }
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
