import Digests

/// A Merkle tree of labels whose parts can be pruned without changing its digest
/// (interface specification, "Certificates").
public indirect enum HashTree: Equatable, Sendable {
    case empty
    case fork(HashTree, HashTree)
    case labeled([UInt8], HashTree)
    case leaf([UInt8])
    /// A part that was left out; its 32-byte digest.
    case pruned([UInt8])

    /// The 32-byte root hash.
    public var digest: [UInt8] {
        var hash = SHA256()
        switch self {
        case .empty:
            hash.update(Self.domain("ic-hashtree-empty"))
        case .fork(let left, let right):
            hash.update(Self.domain("ic-hashtree-fork"))
            hash.update(left.digest)
            hash.update(right.digest)
        case .labeled(let label, let subtree):
            hash.update(Self.domain("ic-hashtree-labeled"))
            hash.update(label)
            hash.update(subtree.digest)
        case .leaf(let value):
            hash.update(Self.domain("ic-hashtree-leaf"))
            hash.update(value)
        case .pruned(let digest):
            return digest
        }
        return hash.finalize()
    }

    /// A domain separator: the length of the text in one byte, then the text.
    package static func domain(_ text: StaticString) -> [UInt8] {
        text.withUTF8Buffer { [UInt8($0.count)] + $0 }
    }
}

extension HashTree {
    /// What a tree says about a path. Found, absent and unknown are three answers;
    /// a path that ends inside the tree, at labels, is a fourth.
    public enum Lookup: Equatable, Sendable {
        case found([UInt8])
        case absent
        /// The part that would tell was pruned.
        case unknown
        case notALeaf
    }

    /// The subtree at a path, with the same three answers.
    public enum SubtreeLookup: Equatable, Sendable {
        case found(HashTree)
        case absent
        case unknown
    }

    /// Looks up a path of labels, as the specification's `lookup_path`.
    public func lookup(_ path: [[UInt8]]) -> Lookup {
        switch subtree(path[...]) {
        case .absent: .absent
        case .unknown: .unknown
        case .found(.leaf(let value)): .found(value)
        case .found(.empty): .absent
        case .found(.pruned): .unknown
        case .found: .notALeaf
        }
    }

    /// Finds the subtree at a path of labels.
    public func subtree(_ path: [[UInt8]]) -> SubtreeLookup { subtree(path[...]) }

    private func subtree(_ path: ArraySlice<[UInt8]>) -> SubtreeLookup {
        guard let label = path.first else { return .found(self) }
        switch child(label) {
        case .found(let tree): return tree.subtree(path.dropFirst())
        case .absent: return .absent
        case .unknown: return .unknown
        }
    }

    private func child(_ label: [UInt8]) -> SubtreeLookup {
        var gapIsPruned = false
        for part in flattened() {
            switch part {
            case .labeled(let candidate, let subtree):
                if candidate == label { return .found(subtree) }
                if label.lexicographicallyPrecedes(candidate) { return gapIsPruned ? .unknown : .absent }
                gapIsPruned = false
            case .pruned: gapIsPruned = true
            case .leaf, .empty, .fork: break
            }
        }
        return gapIsPruned ? .unknown : .absent
    }

    /// The labels of one level and their subtrees, in order; pruned parts stay out.
    public var children: [(label: [UInt8], subtree: HashTree)] {
        flattened().compactMap { part in
            if case .labeled(let label, let subtree) = part { return (label, subtree) }
            return nil
        }
    }

    /// The parts of one level from left to right: forks are opened, empty parts dropped.
    package func flattened() -> [HashTree] {
        switch self {
        case .empty: []
        case .fork(let left, let right): left.flattened() + right.flattened()
        default: [self]
        }
    }

    /// Whether the labels of every level strictly increase and leaves never stand beside labels.
    public var isWellFormed: Bool {
        let parts = flattened()
        var previous: [UInt8]?
        for part in parts {
            switch part {
            case .leaf: if parts.count > 1 { return false }
            case .labeled(let label, let subtree):
                if let previous, !previous.lexicographicallyPrecedes(label) { return false }
                guard subtree.isWellFormed else { return false }
                previous = label
            case .pruned, .empty, .fork: break
            }
        }
        return true
    }
}

extension HashTree {
    /// The forks over one level: `parts` must come in the order of their labels. The left branch takes the
    /// largest power of two smaller than the count, as the replica builds it.
    public static func level(_ parts: [HashTree]) -> HashTree { level(parts[...]) }

    private static func level(_ parts: ArraySlice<HashTree>) -> HashTree {
        guard let first = parts.first else { return .empty }
        guard parts.count > 1 else { return first }
        var left = 1
        while left * 2 < parts.count { left *= 2 }
        return .fork(level(parts.prefix(left)), level(parts.dropFirst(left)))
    }
}
