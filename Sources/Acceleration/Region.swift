/// Calls that run between two meetings of the threads: one that brings its own, or several whose threads need nothing of
/// each other.
///
/// Waiting for another thread is what costs most in small networks, and all the more when other programs take the cores.
struct Region {
    private(set) var steps: [LoweredStep]
    /// Of the shares, nil for a call that brings its own threads.
    private let groups: Int?

    /// The same calls, shares brought together where nothing stands between that they depend on.
    static func gather(_ steps: [LoweredStep]) -> [Region] {
        var regions: [Region] = []
        for step in steps {
            guard case .share(let groups, _) = step.work else {
                regions.append(Region(steps: [step], groups: nil))
                continue
            }
            // Over calls that touch nothing of this one, back to shares of the same groups.
            var place = regions.count
            while place > 0, regions[place - 1].groups == nil, !regions[place - 1].touches(step) {
                place -= 1
            }
            if place > 0, regions[place - 1].groups == groups {
                regions[place - 1].steps.append(step)
            } else {
                regions.append(Region(steps: [step], groups: groups))
            }
        }
        return regions
    }

    private func touches(_ step: LoweredStep) -> Bool {
        steps.contains { $0.touches.contains { mine in step.touches.contains { $0 === mine } } }
    }

    var name: String { steps.map { $0.name }.joined(separator: ", ") }

    func make(_ library: Library) throws(AccelerationError) -> () -> Void {
        var shares: [(Int) -> Void] = []
        for step in steps {
            switch step.work {
            case .whole(let make): return try make()
            case .share(_, let make): shares.append(try make())
            }
        }
        let all = shares
        return {
            library.parallel { thread in
                for share in all { share(thread) }
            }
        }
    }
}
