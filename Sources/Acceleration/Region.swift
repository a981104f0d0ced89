/// Calls that run between two meetings of the threads: one that brings its own, or several whose threads need nothing of
/// each other.
///
/// Waiting for another thread is what costs most in small networks, and all the more when other programs take the cores.
struct Region {
    var steps: [LoweredStep]
    /// Of the shares, nil for a call that brings its own threads.
    private let groups: Int?

    /// One call by itself.
    init(_ step: LoweredStep) {
        steps = [step]
        switch step.work {
        case .whole: groups = nil
        case .share(let count, _), .groups(let count, _): groups = count
        }
    }

    /// The same calls, shares brought together where nothing stands between that they depend on.
    static func gather(_ steps: [LoweredStep]) -> [Region] {
        var regions: [Region] = []
        for step in steps {
            let region = Region(step)
            guard let groups = region.groups else {
                regions.append(region)
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
                regions.append(region)
            }
        }
        return regions
    }

    private func touches(_ step: LoweredStep) -> Bool {
        steps.contains { mine in step.touches.contains { mine.touches($0) } }
    }

    var name: String { steps.map { $0.name }.joined(separator: ", ") }

    /// Calls of one thread: its whole share at once, or some calls one after the other on each group.
    private enum Part {
        case share((Int) -> Void)
        case groups([GroupCall])
    }

    func make(_ library: Library) throws(AccelerationError) -> () -> Void {
        var parts: [Part] = []
        for step in steps {
            switch step.work {
            case .whole(let make): return try make()
            case .share(_, let make): parts.append(.share(try make()))
            case .groups(_, let make):
                let call = try make()
                if case .groups(let before)? = parts.last {
                    parts[parts.count - 1] = .groups(before + [call])
                } else {
                    parts.append(.groups([call]))
                }
            }
        }
        let (all, groups) = (parts, groups ?? 0)
        return {
            library.parallel { thread in
                for part in all {
                    switch part {
                    case .share(let run): run(thread)
                    case .groups(let calls):
                        let range = library.share(of: groups, thread: thread)
                        for group in range {
                            let turn = Turn(
                                thread: thread, group: group, isFirst: group == range.lowerBound,
                                isLast: group == range.upperBound - 1)
                            for call in calls { call(turn) }
                        }
                    }
                }
            }
        }
    }
}
