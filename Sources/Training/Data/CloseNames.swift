/// Finds what somebody probably meant.
public enum CloseNames {
    /// The candidates within a third of the name's length in edits, or that begin with it; nearest first.
    public static func suggestions(for name: String, among candidates: [String]) -> [String] {
        let wanted = Array(name.lowercased().utf8)
        let ranked = candidates.compactMap { candidate -> (distance: Int, name: String)? in
            let other = Array(candidate.lowercased().utf8)
            let distance = editDistance(wanted, other)
            let near = distance <= max(2, wanted.count / 3)
            let begins = wanted.count >= 2 && (other.starts(with: wanted) || wanted.starts(with: other))
            return near || begins ? (distance, candidate) : nil
        }
        return ranked.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
    }

    /// The Levenshtein distance: insertions, deletions and replacements that turn one text into the other.
    static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let replaced = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
