/// The groups of outputs and their tables that make the weights of a layer short.
///
/// Every step is in integers, so that the same weights give the same choice on every machine.
struct EntropyModel {
    let magnitude: Int
    let groupBits: Int
    /// The group of each output.
    let groups: [Int]
    let tables: [FittedTable]
    /// Estimated length of the encoding, exact but for the last byte.
    let byteCount: Int

    /// The choice with the shortest encoding, the fewest groups on ties; nil when no table could have the weights.
    static func best(for weights: [Int8], outputs: Int) -> EntropyModel? {
        var magnitude = 0
        for weight in weights { magnitude = max(magnitude, abs(Int(weight))) }
        guard magnitude <= EntropyCoder.maximumMagnitude else { return nil }
        let fitter = TableFitter(magnitude: magnitude)
        // Further groups must pay for their tables: not with few outputs or few weights.
        var groupBits = 0
        while groupBits < EntropyCoder.maximumGroupBits, outputs <= 4_096, outputs > 1 << groupBits,
            weights.count >= 256 << groupBits
        { groupBits += 1 }
        let histograms = Histograms(
            weights, outputs: outputs, magnitude: magnitude, together: groupBits == 0)
        var best: EntropyModel?
        for bits in 0...groupBits {
            let found = EntropyModel(fitter, histograms, outputs: outputs, groupBits: bits)
            if found.byteCount < best?.byteCount ?? Int.max { best = found }
        }
        return best
    }

    /// Groups outputs of similar mean magnitude and then, as k-means does, moves each to the table that suits it best.
    private init(_ fitter: TableFitter, _ histograms: Histograms, outputs: Int, groupBits: Int) {
        let count = 1 << groupBits
        let rows = histograms.rows
        var numbers = [Int](repeating: 0, count: rows.count)
        var order = Array(rows.indices)
        let sizes = rows.map { fitter.magnitudeSum($0) }
        order.sort { (sizes[$0], $0) < (sizes[$1], $1) }
        for (place, row) in order.enumerated() { numbers[row] = place * count / rows.count }
        var tables: [FittedTable] = []
        for round in 0..<4 {
            let before = numbers
            if round > 0 {
                let costs = tables.map { fitter.costs($0.table) }
                for row in rows.indices {
                    var least = Int.max
                    for group in 0..<count {
                        let cost = fitter.cost(rows[row], costs[group])
                        if cost < least { (least, numbers[row]) = (cost, group) }
                    }
                }
                if numbers == before { break }
            }
            tables = (0..<count).map { group in
                var sum = [Int](repeating: 0, count: 2 * fitter.magnitude + 1)
                for row in rows.indices where numbers[row] == group {
                    for symbol in sum.indices { sum[symbol] += rows[row][symbol] }
                }
                return fitter.fit(sum)
            }
            if count == 1 { break }
        }
        magnitude = fitter.magnitude
        self.groupBits = groupBits
        groups = rows.count == outputs ? numbers : [Int](repeating: 0, count: outputs)
        self.tables = tables
        let bits = tables.reduce(0) { $0 + $1.cost } >> TableFitter.costBits
        byteCount =
            2 + EntropyCoder.groupBytes(outputs: outputs, groupBits: groupBits)
            + count * fitter.knots.count + 4 + bits / 8
    }
}

/// How often each weight −A…A occurs, for each output or for all of them together.
private struct Histograms {
    private(set) var rows: [[Int]]

    init(_ weights: [Int8], outputs: Int, magnitude: Int, together: Bool) {
        let count = together ? 1 : outputs
        rows = [[Int]](repeating: [Int](repeating: 0, count: 2 * magnitude + 1), count: count)
        for i in weights.indices { rows[i % count][Int(weights[i]) + magnitude] += 1 }
    }
}

/// A table, the bytes that stand for it and what it makes of the weights it was fitted to.
struct FittedTable {
    let bytes: [UInt8]
    let table: FrequencyTable
    /// In units of 2^−12 bit.
    let cost: Int
}
