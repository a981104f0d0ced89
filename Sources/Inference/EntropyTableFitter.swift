/// Finds the table bytes that make weights of a given histogram short.
struct TableFitter {
    /// Costs are in units of 2^−12 bit.
    static let costBits = 12

    let magnitude: Int
    let knots: [Int]
    /// Cost of a symbol with that many of the 2^14 slots.
    private let costOfFrequency: [Int]

    init(magnitude: Int) {
        self.magnitude = magnitude
        knots = FrequencyTable.knots(magnitude: magnitude)
        costOfFrequency = (0...Int(EntropyCoder.total)).map { frequency in
            (Int(EntropyCoder.totalBits) << TableFitter.costBits) - TableFitter.logarithm(max(1, frequency))
        }
    }

    /// Σ |w| of a histogram, by which outputs are ordered.
    func magnitudeSum(_ histogram: [Int]) -> Int {
        var sum = 0
        for symbol in histogram.indices { sum += histogram[symbol] * abs(symbol - magnitude) }
        return sum
    }

    /// The cost of every symbol under a table.
    func costs(_ table: FrequencyTable) -> [Int] {
        (0...2 * magnitude).map { costOfFrequency[Int(table.frequency($0))] }
    }

    /// The cost of all weights of a histogram.
    func cost(_ histogram: [Int], _ costs: [Int]) -> Int {
        var sum = 0
        for symbol in histogram.indices { sum += histogram[symbol] * costs[symbol] }
        return sum
    }

    /// Starts from the mean count around every knot and then moves one table byte at a time while that helps.
    func fit(_ histogram: [Int]) -> FittedTable {
        var best = fitted(start(histogram), histogram)
        for _ in 0..<4 {
            let before = best.cost
            for knot in knots.indices {
                for step in [1, -1, 4, -4] {
                    let moved = Int(best.bytes[knot]) + step
                    guard (0...EntropyCoder.maximumTableByte).contains(moved) else { continue }
                    var bytes = best.bytes
                    bytes[knot] = UInt8(moved)
                    let found = fitted(bytes, histogram)
                    if found.cost < best.cost { best = found }
                }
            }
            if best.cost == before { break }
        }
        return best
    }

    private func fitted(_ bytes: [UInt8], _ histogram: [Int]) -> FittedTable {
        let table = FrequencyTable(magnitude: magnitude, knots: knots, bytes: bytes)
        var cost = 0
        for symbol in histogram.indices where histogram[symbol] > 0 {
            cost += histogram[symbol] * costOfFrequency[Int(table.frequency(symbol))]
        }
        return FittedTable(bytes: bytes, table: table, cost: cost)
    }

    private func start(_ histogram: [Int]) -> [UInt8] {
        // Twice the count of each magnitude on one side.
        let counts = (0...magnitude).map { size in
            size == 0 ? 2 * histogram[magnitude] : histogram[magnitude - size] + histogram[magnitude + size]
        }
        let means = knots.indices.map { i in
            // The last two knots have no other magnitude between them or behind them.
            let first = i == 0 || i == knots.count - 1 ? knots[i] : (knots[i - 1] + knots[i] + 1) / 2
            let last = i >= knots.count - 2 ? knots[i] : (knots[i] + knots[i + 1]) / 2
            return counts[first...last].reduce(0, +) * 1_024 / (last - first + 1)
        }
        // The highest knot gets the largest byte, the others their share of it.
        let largest = means.reduce(1, max)
        return means.map { mean in
            var byte = EntropyCoder.maximumTableByte
            while byte > 0, Int(FrequencyTable.value(UInt8(byte))) > mean * 63_488 / largest { byte -= 1 }
            return UInt8(byte)
        }
    }

    /// The binary logarithm of `value` ≥ 1 times 2^12, a digit for each squaring.
    private static func logarithm(_ value: Int) -> Int {
        var exponent = 0
        while value >> (exponent + 1) > 0 { exponent += 1 }
        var result = exponent
        // The mantissa, 1 ..< 2, as a multiple of 2^−30.
        var mantissa = (UInt64(value) << 30) >> UInt64(exponent)
        for _ in 0..<costBits {
            mantissa = (mantissa * mantissa) >> 30
            result <<= 1
            if mantissa >> 31 > 0 {
                result |= 1
                mantissa >>= 1
            }
        }
        return result
    }
}
