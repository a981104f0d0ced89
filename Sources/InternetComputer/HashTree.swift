import Crypto

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
            hash.update(data: Self.domain("ic-hashtree-empty"))
        case .fork(let left, let right):
            hash.update(data: Self.domain("ic-hashtree-fork"))
            hash.update(data: left.digest)
            hash.update(data: right.digest)
        case .labeled(let label, let subtree):
            hash.update(data: Self.domain("ic-hashtree-labeled"))
            hash.update(data: label)
            hash.update(data: subtree.digest)
        case .leaf(let value):
            hash.update(data: Self.domain("ic-hashtree-leaf"))
            hash.update(data: value)
        case .pruned(let digest):
            return digest
        }
        return Array(hash.finalize())
    }

    /// A domain separator: the length of the text in one byte, then the text.
    static func domain(_ text: StaticString) -> [UInt8] {
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
    private func flattened() -> [HashTree] {
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

    /// The tree with everything pruned that answers none of the paths; absence stays provable, so both
    /// neighbours of a missing label keep their labels.
    public func revealing(_ paths: [[[UInt8]]]) -> HashTree {
        revealing(paths.map { $0[...] })
    }

    private func revealing(_ paths: [ArraySlice<[UInt8]>]) -> HashTree {
        if paths.isEmpty { return fullyPruned }
        if paths.contains(where: \.isEmpty) { return self }
        let labels = flattened().compactMap { part -> [UInt8]? in
            if case .labeled(let label, _) = part { return label }
            return nil
        }
        var kept: [[UInt8]: [ArraySlice<[UInt8]>]] = [:]
        for path in paths {
            guard let wanted = path.first else { continue }
            let above = labels.partitioningIndex { !$0.lexicographicallyPrecedes(wanted) }
            if above < labels.count, labels[above] == wanted {
                kept[wanted, default: []].append(path.dropFirst())
            } else {
                if above > 0 { kept[labels[above - 1], default: []] += [] }
                if above < labels.count { kept[labels[above], default: []] += [] }
            }
        }
        return keeping(kept)
    }

    private func keeping(_ kept: [[UInt8]: [ArraySlice<[UInt8]>]]) -> HashTree {
        switch self {
        case .fork(let left, let right):
            let (left, right) = (left.keeping(kept), right.keeping(kept))
            let fork = HashTree.fork(left, right)
            switch (left, right) {
            case (.pruned, .pruned), (.pruned, .empty), (.empty, .pruned): return .pruned(fork.digest)
            default: return fork
            }
        case .labeled(let label, let subtree):
            guard let paths = kept[label] else { return fullyPruned }
            return .labeled(label, subtree.revealing(paths))
        case .empty, .leaf, .pruned:
            return self
        }
    }

    private var fullyPruned: HashTree { self == .empty ? .empty : .pruned(digest) }
}

extension Array {
    /// The first index whose element satisfies `belongsInSecondPartition`, in an array partitioned by it.
    fileprivate func partitioningIndex(where belongsInSecondPartition: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if belongsInSecondPartition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
