/// The certified state as labelled entries, before hashing; the HTTP layer turns it into a hash tree.
public indirect enum StateTree: Sendable, Equatable {
    case leaf([UInt8])
    /// Children in strictly ascending bytewise order of their labels.
    case labeled([(label: [UInt8], child: StateTree)])

    public static func == (left: StateTree, right: StateTree) -> Bool {
        switch (left, right) {
        case (.leaf(let a), .leaf(let b)): a == b
        case (.labeled(let a), .labeled(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0.label == $1.label && $0.child == $1.child }
        default: false
        }
    }

    /// A branch from children in any order.
    static func branch(_ children: [(label: [UInt8], child: StateTree)]) -> StateTree {
        .labeled(children.sorted { $0.label.lexicographicallyPrecedes($1.label) })
    }

    /// The entry at a path, or nil when there is none.
    public subscript(path: [[UInt8]]) -> StateTree? {
        var node = self
        for label in path {
            guard case .labeled(let children) = node,
                let child = children.first(where: { $0.label == label })
            else { return nil }
            node = child.child
        }
        return node
    }
}

/// Whoever holds the subnet's key: turns a state tree into a signed certificate. Implemented by the HTTP layer.
public protocol Certifier: Sendable {
    /// DER encoding of the root public key.
    var rootKey: [UInt8] { get }
    /// CBOR certificate that reveals the given paths of `tree` and prunes the rest.
    func certificate(tree: StateTree, revealing paths: [[[UInt8]]]) throws -> [UInt8]
}

/// Unsigned LEB128, the form of naturals in the state tree.
func leb128(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    repeat {
        let low = UInt8(truncatingIfNeeded: rest & 0x7f)
        rest >>= 7
        bytes.append(rest == 0 ? low : low | 0x80)
    } while rest != 0
    return bytes
}
