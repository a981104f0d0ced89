/// Decodes the weights of one layer from encoding 1, in one forward pass.
enum EntropyDecoder {
    /// The next `length` bytes of `reader` as `count` weights, whose last axis is `outputs`.
    ///
    /// `reader` has all of `length`, and `count` has been compared with it by `checkCount`.
    static func weights(
        _ reader: inout ByteReader, count: Int, outputs: Int, length: Int
    ) throws(ModelFileError) -> [Int8] {
        let start = reader.position
        guard length <= reader.remaining else {
            throw ModelFileError(.truncated(expected: length, found: reader.remaining), offset: start)
        }
        guard outputs > 0, count > 0, count % outputs == 0,
            count / EntropyCoder.maximumWeightsPerByte <= length
        else { throw ModelFileError(.badWeights, offset: start) }
        var bytes = try reader.part(length)
        let magnitude = Int(try bytes.u8())
        guard magnitude <= EntropyCoder.maximumMagnitude else {
            throw ModelFileError(.badWeights, offset: start)
        }
        let groupBits = Int(try bytes.u8())
        guard groupBits <= EntropyCoder.maximumGroupBits else {
            throw ModelFileError(.badWeights, offset: start + 1)
        }
        let groups = try groupNumbers(&bytes, outputs: outputs, groupBits: groupBits)
        let tables = try DecodingTables(&bytes, magnitude: magnitude, groups: 1 << groupBits)
        let stream = bytes.position
        let state = try bytes.u32()
        guard state >= EntropyCoder.lowest, state < EntropyCoder.highest else {
            throw ModelFileError(.badWeights, offset: stream)
        }
        let digits = try bytes.data(bytes.remaining)
        guard let weights = tables.decode(digits, state: state, count: count, groups: groups) else {
            throw ModelFileError(.badWeights, offset: stream)
        }
        return weights
    }

    /// The group of every output, `groupBits` each from the lowest bit of the first byte; unused bits are zero.
    private static func groupNumbers(
        _ bytes: inout ByteReader, outputs: Int, groupBits: Int
    ) throws(ModelFileError) -> [UInt8] {
        let size = EntropyCoder.groupBytes(outputs: outputs, groupBits: groupBits)
        let start = bytes.position
        let packed = try bytes.data(size)
        var groups = [UInt8](repeating: 0, count: outputs)
        var pending: UInt32 = 0
        var pendingBits = 0
        var next = 0
        let mask: UInt32 = 1 << UInt32(groupBits) - 1
        for output in 0..<outputs where groupBits > 0 {
            if pendingBits < groupBits {
                pending |= UInt32(packed[next]) << UInt32(pendingBits)
                pendingBits += 8
                next += 1
            }
            groups[output] = UInt8(pending & mask)
            pending >>= UInt32(groupBits)
            pendingBits -= groupBits
        }
        guard pending == 0 else { throw ModelFileError(.badWeights, offset: start + size - 1) }
        return groups
    }
}

/// The frequency tables of all groups behind one another, ready to look slots up.
private struct DecodingTables {
    private let magnitude: Int
    /// 256 for each group, see `FrequencyTable.starts`.
    private var starts: [UInt16] = []
    /// 256 for each group: the symbol of slot 64 · i, where the search for the slots up to the next begins.
    private var hints: [UInt8] = []

    init(_ bytes: inout ByteReader, magnitude: Int, groups: Int) throws(ModelFileError) {
        self.magnitude = magnitude
        let knots = FrequencyTable.knots(magnitude: magnitude)
        for _ in 0..<groups {
            let offset = bytes.position
            let values = try bytes.data(knots.count)
            for i in values.indices where values[i] > EntropyCoder.maximumTableByte {
                throw ModelFileError(.badWeights, offset: offset + i)
            }
            let table = FrequencyTable(magnitude: magnitude, knots: knots, bytes: values)
            starts += table.starts
            var symbol = 0
            for bucket in 0..<256 {
                while table.starts[symbol + 1] <= UInt16(bucket) << 6 { symbol += 1 }
                hints.append(UInt8(symbol))
            }
        }
    }

    /// `count` weights, or nothing when the digits do not end exactly in the first state of an encoder.
    ///
    /// With x < 2^31, f ≤ 2^14 and slot − start < f, the next state is below f · (x / 2^14 + 1) ≤ 2^31: the
    /// wrapping operators never wrap. Every symbol is below 2A + 1, for the last start is above every slot.
    func decode(_ digits: [UInt8], state: UInt32, count: Int, groups: [UInt8]) -> [Int8]? {
        var cursor = DigitCursor(state: state)
        let weights = [Int8](unsafeUninitializedCapacity: count) { buffer, initialized in
            groups.withUnsafeBufferPointer { groups in
                digits.withUnsafeBufferPointer { digits in
                    while initialized < count, cursor.complete {
                        let row = UnsafeMutableBufferPointer(
                            rebasing: buffer[initialized..<initialized + groups.count])
                        decode(row, groups, digits, &cursor)
                        initialized += groups.count
                    }
                }
            }
        }
        return cursor.isAtEnd(of: digits) ? weights : nil
    }

    /// One weight for each output.
    private func decode(
        _ row: UnsafeMutableBufferPointer<Int8>, _ groups: UnsafeBufferPointer<UInt8>,
        _ digits: UnsafeBufferPointer<UInt8>, _ cursor: inout DigitCursor
    ) {
        starts.withUnsafeBufferPointer { starts in
            hints.withUnsafeBufferPointer { hints in
                // Local copies, to be kept in registers.
                var x = cursor.state
                var next = cursor.next
                for output in 0..<groups.count {
                    let base = Int(groups[output]) &<< 8
                    let slot = x & (EntropyCoder.total &- 1)
                    var place = base | Int(hints[base | Int(slot &>> 6)])
                    while UInt32(starts[place &+ 1]) <= slot { place &+= 1 }
                    let start = UInt32(starts[place])
                    let frequency = UInt32(starts[place &+ 1]) &- start
                    x = frequency &* (x &>> EntropyCoder.totalBits) &+ slot &- start
                    while x < EntropyCoder.lowest, next < digits.count {
                        x = x &<< 8 | UInt32(digits[next])
                        next &+= 1
                    }
                    if x < EntropyCoder.lowest { cursor.complete = false }
                    row[output] = Int8(truncatingIfNeeded: place &- base &- magnitude)
                }
                cursor.state = x
                cursor.next = next
            }
        }
    }
}

/// Where a decoder is: its state, and the next digit it takes.
private struct DigitCursor {
    var state: UInt32
    var next = 0
    /// False once digits were wanted that are not there.
    var complete = true

    init(state: UInt32) { self.state = state }

    /// Whether the digits are used up and the state is that in which an encoder begins.
    func isAtEnd(of digits: [UInt8]) -> Bool {
        complete && next == digits.count && state == EntropyCoder.lowest
    }
}
