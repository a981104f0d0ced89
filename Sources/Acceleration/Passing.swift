/// What lives only while a thread works on one group of images. It needs memory for that group instead of the batch, and so
/// stays in the caches, which a batch would sweep through.
extension Region {
    /// Calls in order that take each group one after the other; the others alone.
    private var rows: [Range<Int>] {
        var rows: [Range<Int>] = []
        for (place, step) in steps.enumerated() {
            if step.isGrouped, let last = rows.last, steps[last.lowerBound].isGrouped {
                rows[rows.count - 1] = last.lowerBound..<place + 1
            } else {
                rows.append(place..<place + 1)
            }
        }
        return rows
    }

    /// The same calls, and once more in each later row that needs them those whose results are rather made again than kept.
    static func remaking(_ regions: [Region]) -> [Region] {
        var regions = regions
        for step in regions.flatMap({ $0.steps }) {
            guard let result = step.remade else { continue }
            var users: [(region: Int, row: Range<Int>)] = []
            for (index, region) in regions.enumerated() {
                for row in region.rows where region.steps[row].contains(where: { $0.touches(result) }) {
                    users.append((index, row))
                }
            }
            let areRows = users.allSatisfy { regions[$0.region].steps[$0.row.lowerBound].isGrouped }
            guard users.count > 1, areRows, Set(users.map { $0.region }).count == users.count else { continue }
            for (index, row) in users.dropFirst() {
                let first = row.first { regions[index].steps[$0].touches(result) } ?? row.lowerBound
                regions[index].steps.insert(step, at: first)
            }
        }
        return regions
    }

    /// The values with their images in lanes that a row touches, from the first to the last step that does.
    private func values(in row: Range<Int>) -> [(storage: Storage, steps: ClosedRange<Int>)] {
        var values: [(storage: Storage, steps: ClosedRange<Int>)] = []
        for place in row {
            for storage in steps[place].touches where storage.isOfGroups {
                if let index = values.firstIndex(where: { $0.storage === storage }) {
                    values[index].steps = values[index].steps.lowerBound...place
                } else {
                    values.append((storage, place...place))
                }
            }
        }
        return values
    }

    /// The memory of what is made in each row of calls that touches it, which is all they need of it.
    static func passing(_ regions: [Region]) -> [Storage] {
        var known: [ObjectIdentifier: Int] = [:]
        var passing: [(storage: Storage, isMade: Bool, lifetimes: [ClosedRange<Int>])] = []
        var start = 0
        for region in regions {
            for row in region.rows {
                for (storage, steps) in region.values(in: row) {
                    let lifetime = start + steps.lowerBound...start + steps.upperBound
                    let first = region.steps[steps.lowerBound]
                    if let index = known[ObjectIdentifier(storage)] {
                        passing[index].lifetimes.append(lifetime)
                        if !first.isGrouped || first.remade !== storage { passing[index].isMade = false }
                    } else {
                        known[ObjectIdentifier(storage)] = passing.count
                        passing.append((storage, first.isGrouped, [lifetime]))
                    }
                }
            }
            start += region.steps.count
        }
        return passing.filter { $0.isMade }.map { value in
            value.storage.pass(value.lifetimes)
            return value.storage
        }
    }
}

extension LoweredStep {
    fileprivate var isGrouped: Bool { if case .groups = work { true } else { false } }

    func touches(_ storage: Storage) -> Bool { touches.contains { $0 === storage } }
}
