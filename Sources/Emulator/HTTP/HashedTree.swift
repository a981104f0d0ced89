import InternetComputer

/// A state tree with every digest computed once, from which any number of witnesses are cut.
///
/// Has the shape of `HashTree.level`: a witness costs what it shows and the logarithm of what stands beside it.
struct HashedTree: Sendable {
    private indirect enum Kind: Sendable {
        case leaf([UInt8])
        case level([(label: [UInt8], child: HashedTree)], Split)
    }

    /// The forks over a range of a level.
    private indirect enum Split: Sendable {
        case empty
        case label(Int, digest: [UInt8])
        /// `middle` is the index of the first label on the right.
        case fork(Split, Split, middle: Int, digest: [UInt8])

        var digest: [UInt8] {
            switch self {
            case .empty: HashTree.empty.digest
            case .label(_, let digest), .fork(_, _, _, let digest): digest
            }
        }
    }

    private let kind: Kind
    /// The 32-byte hash of the tree.
    let digest: [UInt8]

    init(_ tree: StateTree) {
        switch tree {
        case .leaf(let value): self.init(leaf: value)
        case .labeled(let children): self.init(children.map { ($0.label, HashedTree($0.child)) })
        }
    }

    init(leaf value: [UInt8]) {
        kind = .leaf(value)
        digest = HashTree.leaf(value).digest
    }

    /// A level from children in the order of their labels.
    init(_ children: [(label: [UInt8], child: HashedTree)]) {
        let split = Self.split(children, 0..<children.count)
        kind = .level(children, split)
        digest = split.digest
    }

    private static func split(_ children: [(label: [UInt8], child: HashedTree)], _ range: Range<Int>) -> Split {
        guard range.count > 1 else {
            guard let index = range.first else { return .empty }
            let labeled = HashTree.labeled(children[index].label, .pruned(children[index].child.digest))
            return .label(index, digest: labeled.digest)
        }
        var left = 1
        while left * 2 < range.count { left *= 2 }
        let middle = range.lowerBound + left
        let (first, second) = (split(children, range.lowerBound..<middle), split(children, middle..<range.upperBound))
        let fork = HashTree.fork(.pruned(first.digest), .pruned(second.digest))
        return .fork(first, second, middle: middle, digest: fork.digest)
    }

    /// The hash tree that shows these paths, or proves their absence, and prunes the rest.
    func revealing(_ paths: [[[UInt8]]]) -> HashTree { revealing(paths.map { $0[...] }) }

    private func revealing(_ paths: [ArraySlice<[UInt8]>]) -> HashTree {
        if paths.isEmpty { return digest == HashTree.empty.digest ? .empty : .pruned(digest) }
        switch kind {
        case .leaf(let value): return .leaf(value)
        case .level(let children, let split):
            if paths.contains(where: \.isEmpty) { return Self.whole(children) }
            // Index of a label to show, and the paths below it; a neighbour of an absent label has none.
            var kept: [Int: [ArraySlice<[UInt8]>]] = [:]
            for path in paths {
                guard let wanted = path.first else { continue }
                let above = Self.lowerBound(of: wanted, in: children)
                if above < children.count, children[above].label == wanted {
                    kept[above, default: []].append(path.dropFirst())
                } else {
                    if above > 0 { kept[above - 1, default: []] += [] }
                    if above < children.count { kept[above, default: []] += [] }
                }
            }
            return Self.witness(split, children, kept, kept.keys.sorted()[...])
        }
    }

    private static func witness(
        _ split: Split, _ children: [(label: [UInt8], child: HashedTree)],
        _ kept: [Int: [ArraySlice<[UInt8]>]], _ indices: ArraySlice<Int>
    ) -> HashTree {
        switch split {
        case .empty: return .empty
        case .label(let index, let digest):
            guard let paths = kept[index] else { return .pruned(digest) }
            return .labeled(children[index].label, children[index].child.revealing(paths))
        case .fork(let left, let right, let middle, let digest):
            guard !indices.isEmpty else { return .pruned(digest) }
            return .fork(
                witness(left, children, kept, indices.prefix { $0 < middle }),
                witness(right, children, kept, indices.drop { $0 < middle }))
        }
    }

    private static func whole(_ children: [(label: [UInt8], child: HashedTree)]) -> HashTree {
        .level(children.map { .labeled($0.label, $0.child.revealing([[]])) })
    }

    private static func lowerBound(of label: [UInt8], in children: [(label: [UInt8], child: HashedTree)]) -> Int {
        var (low, high) = (0, children.count)
        while low < high {
            let middle = (low + high) / 2
            if children[middle].label.lexicographicallyPrecedes(label) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
