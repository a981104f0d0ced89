/// Constants of weight encoding 1: static range coding in the rANS form; docs/format.md says what they mean.
///
/// Source of the coder: J. Duda, "Asymmetric numeral systems", arXiv:1311.2540, with bytes as digits. The decoder
/// must end in the state the encoder began with, by which it notices nearly all damage that no hash has caught.
enum EntropyCoder {
    /// Frequencies of one table add up to 2^14.
    static let totalBits: UInt32 = 14
    static let total: UInt32 = 1 << totalBits
    /// States between two weights are `lowest..<256 * lowest`.
    static let lowest: UInt32 = 1 << 23
    static let highest: UInt32 = lowest &* 256
    /// Groups of outputs with a table each: 1, 2, 4, 8 or 16.
    static let maximumGroupBits = 4
    static let maximumMagnitude = 127
    /// Table bytes are 0..<192, see `FrequencyTable.value`.
    static let maximumTableByte = 191
    /// Weights per byte of the encoding at most, so that a short file cannot ask for much memory.
    static let maximumWeightsPerByte = 64

    /// How many bytes of group numbers there are: 0, 1, 2, 3 or 4 bits for each output.
    static func groupBytes(outputs: Int, groupBits: Int) -> Int { (outputs * groupBits + 7) / 8 }
}

/// How likely each weight −A…A is, from a few bytes: a polygon over |w|, the same on both sides.
///
/// Weights of a trained layer have smooth, nearly symmetric distributions; ten bytes describe one as well as
/// 255 frequencies would, which leaves room for a table for each group of outputs.
struct FrequencyTable {
    /// Where weight `s − A` begins among the 2^14 slots; entry 2A + 1 is 2^14. Always 256 entries.
    private(set) var starts: [UInt16]

    /// The magnitudes whose likelihood the file holds: 0 and the powers of two below A − 1, then A − 1 and A.
    ///
    /// A has a place of its own: a channel that is scaled by its largest weight always has one weight there.
    static func knots(magnitude: Int) -> [Int] {
        var knots: [Int] = []
        var knot = 0
        while knot < magnitude - 1 {
            knots.append(knot)
            knot = knot == 0 ? 1 : knot * 2
        }
        if magnitude > 0 { knots.append(magnitude - 1) }
        knots.append(magnitude)
        return knots
    }

    /// What a table byte stands for: a number with five significant bits, 16…63,488.
    static func value(_ byte: UInt8) -> UInt32 { (16 | UInt32(byte & 15)) << UInt32(byte >> 4) }

    /// The table of the bytes, one for each knot of `magnitude`, each at most 191.
    init(magnitude: Int, knots: [Int], bytes: [UInt8]) {
        precondition(magnitude <= EntropyCoder.maximumMagnitude && bytes.count == knots.count)
        starts = [UInt16](repeating: 0, count: 256)
        // The polygon, at most 63,488 everywhere.
        var heights = [UInt32](repeating: FrequencyTable.value(bytes[0]), count: magnitude + 1)
        for i in knots.indices.dropFirst() {
            let left = FrequencyTable.value(bytes[i - 1])
            let right = FrequencyTable.value(bytes[i])
            let width = UInt32(knots[i] - knots[i - 1])
            for step in 1...width {
                heights[knots[i - 1] + Int(step)] = (left * (width - step) + right * step) / width
            }
        }
        var sum: UInt32 = heights[0]
        for height in heights.dropFirst() { sum += 2 * height }
        // Every weight gets one slot, the rest in proportion; what rounding leaves goes to zero.
        let spare = EntropyCoder.total - UInt32(2 * magnitude + 1)
        var left = EntropyCoder.total
        for i in heights.indices {
            heights[i] = 1 + heights[i] * spare / sum
            left -= i == 0 ? heights[i] : 2 * heights[i]
        }
        heights[0] += left
        var start: UInt32 = 0
        for symbol in 0...2 * magnitude {
            starts[symbol] = UInt16(start)
            start += heights[symbol < magnitude ? magnitude - symbol : symbol - magnitude]
        }
        starts[2 * magnitude + 1] = UInt16(start)
    }

    /// Slots of weight `symbol − A`, at least 1.
    func frequency(_ symbol: Int) -> UInt32 { UInt32(starts[symbol + 1] - starts[symbol]) }
}
