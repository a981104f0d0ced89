/// Encodes the weights of one layer by encoding 1: the decoder's steps backwards.
enum EntropyEncoder {
    /// The encoding of `weights`, whose last axis is `outputs`; nil when one byte each is not longer.
    static func encoded(_ weights: [Int8], outputs: Int) -> [UInt8]? {
        guard outputs > 0, !weights.isEmpty, weights.count.isMultiple(of: outputs),
            let choice = EntropyModel.best(for: weights, outputs: outputs)
        else { return nil }
        var bytes = [UInt8(choice.magnitude), UInt8(choice.groupBits)]
        bytes += packed(choice.groups, bits: choice.groupBits)
        for table in choice.tables { bytes += table.bytes }
        bytes += digits(weights, choice)
        let most = bytes.count * EntropyCoder.maximumWeightsPerByte
        return bytes.count < weights.count && weights.count <= most ? bytes : nil
    }

    private static func packed(_ groups: [Int], bits: Int) -> [UInt8] {
        var bytes = [UInt8](
            repeating: 0, count: EntropyCoder.groupBytes(outputs: groups.count, groupBits: bits))
        for output in groups.indices where bits > 0 {
            let position = output * bits
            let value = groups[output] << (position % 8)
            bytes[position / 8] |= UInt8(truncatingIfNeeded: value)
            if value > 255 { bytes[position / 8 + 1] |= UInt8(value >> 8) }
        }
        return bytes
    }

    /// The last state and the digits in the order in which the decoder wants them.
    private static func digits(_ weights: [Int8], _ choice: EntropyModel) -> [UInt8] {
        let outputs = choice.groups.count
        var reversed: [UInt8] = []
        var x = EntropyCoder.lowest
        for i in weights.indices.reversed() {
            let table = choice.tables[choice.groups[i % outputs]].table
            let symbol = Int(weights[i]) + choice.magnitude
            let frequency = table.frequency(symbol)
            // After the step the state must be below `highest`.
            let limit = EntropyCoder.highest / EntropyCoder.total * frequency
            while x >= limit {
                reversed.append(UInt8(truncatingIfNeeded: x))
                x >>= 8
            }
            x = ((x / frequency) << EntropyCoder.totalBits) + x % frequency + UInt32(table.starts[symbol])
        }
        for shift: UInt32 in [24, 16, 8, 0] { reversed.append(UInt8(truncatingIfNeeded: x >> shift)) }
        return reversed.reversed()
    }
}
