extension HashTree {
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
