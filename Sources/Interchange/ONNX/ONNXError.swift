/// Why an ONNX model cannot be read or written, in one sentence that names the node, tensor or file.
public enum ONNXError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file cannot be read, or lies where it may not.
    case file(path: String, reason: String)
    /// The bytes are no ONNX model.
    case malformed(String)
    /// The graph as a whole is unusable.
    case graph(String)
    /// A stored tensor is unusable.
    case tensor(name: String, reason: String)
    /// A node is unusable or does something that the toolkit does not.
    case node(name: String, operation: String, reason: String)
    /// A network that ONNX, as written here, cannot express.
    case unsupported(String)

    public var description: String {
        switch self {
        case .file(let path, let reason): "\(path): \(reason)"
        case .malformed(let reason): "this is not a usable ONNX model: \(reason)"
        case .graph(let reason): "this ONNX model cannot be imported: \(reason)"
        case .tensor(let name, let reason): "tensor “\(name)” of the ONNX model: \(reason)"
        case .node(let name, let operation, let reason): "node “\(name)” (\(operation)): \(reason)"
        case .unsupported(let reason): "this network cannot be written as ONNX: \(reason)"
        }
    }
}
