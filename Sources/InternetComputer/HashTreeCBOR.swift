extension HashTree {
    /// The tree as the nested arrays of the specification's `hash-tree`.
    public var cbor: CBOR {
        switch self {
        case .empty: .array([.unsigned(0)])
        case .fork(let left, let right): .array([.unsigned(1), left.cbor, right.cbor])
        case .labeled(let label, let subtree): .array([.unsigned(2), .bytes(label), subtree.cbor])
        case .leaf(let value): .array([.unsigned(3), .bytes(value)])
        case .pruned(let digest): .array([.unsigned(4), .bytes(digest)])
        }
    }

    /// Reads a tree; throws `HashTreeError.malformed` when a node has another shape.
    public init(cbor: CBOR) throws(HashTreeError) {
        guard case .array(let parts) = cbor, let kind = parts.first?.unsignedValue else { throw .malformed }
        switch (kind, parts.count) {
        case (0, 1):
            self = .empty
        case (1, 3):
            self = .fork(try HashTree(cbor: parts[1]), try HashTree(cbor: parts[2]))
        case (2, 3):
            guard let label = parts[1].bytesValue else { throw .malformed }
            self = .labeled(label, try HashTree(cbor: parts[2]))
        case (3, 2):
            guard let value = parts[1].bytesValue else { throw .malformed }
            self = .leaf(value)
        case (4, 2):
            guard let digest = parts[1].bytesValue, digest.count == 32 else { throw .malformed }
            self = .pruned(digest)
        default:
            throw .malformed
        }
    }
}

/// Why CBOR is no hash tree.
public enum HashTreeError: Error, Equatable, Sendable, CustomStringConvertible {
    case malformed

    public var description: String { "this is no hash tree: a node has the wrong shape" }
}
