import Inference
import Training

/// Why a network could not be exported or a model file not be used, in one sentence.
public enum ExportError: Error, Equatable, Sendable, CustomStringConvertible {
    case run(RunError)
    case dataset(DatasetError)
    /// The network has something that the integer executor does not do.
    case unsupported(String)
    /// The integer model would break a rule of its contract.
    case model(QuantizedModelError)
    /// The bytes are not a .deai file.
    case file(path: String, ModelFileError)
    /// The classes of the model are not those of the data set.
    case labels(model: [String], dataset: [String])

    public var description: String {
        switch self {
        case .run(let error): return error.description
        case .dataset(let error): return error.description
        case .unsupported(let reason): return "this network cannot be exported: \(reason)"
        case .model(let error):
            return "this network cannot be exported as int8: \(error.message)"
                + (error.layer >= 0 ? " (layer \(error.layer))" : "")
                + (error.expected != 0 || error.found != 0
                    ? ": expected \(error.expected), found \(error.found)" : "")
        case .file(let path, let error):
            return "\(path) is not a usable model, byte \(error.offset): \(error.message)"
        case .labels(let model, let dataset):
            return "the model knows the classes \(model.joined(separator: ", ")), "
                + "the data set has \(dataset.joined(separator: ", ")); choose the data set that it was trained for"
        }
    }
}
