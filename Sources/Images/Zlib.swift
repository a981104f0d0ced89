import Digests

/// Inflates zlib streams (RFC 1950, RFC 1951).
public enum Zlib {
    /// The data of one whole zlib stream; throws before more than `limit` bytes of it would be held.
    ///
    /// What follows the stream is ignored. Offsets of errors count from the start of `bytes`.
    public static func inflate(_ bytes: [UInt8], limit: Int) throws(ImageError) -> [UInt8] {
        guard bytes.count >= 2 else { throw ImageError(.badCompression, offset: bytes.count) }
        let method = bytes[0]
        let flags = bytes[1]
        guard method & 15 == 8, method >> 4 <= 7, (Int(method) << 8 | Int(flags)) % 31 == 0, flags & 32 == 0
        else { throw ImageError(.badCompression, offset: 0) }
        // Deflate cannot make more than 1,032 bytes of one, so a small stream never takes much memory.
        let capacity = bytes.count < limit / 1_032 ? bytes.count * 1_032 : limit
        var output = [UInt8](repeating: 0, count: capacity)
        let (count, end) = try bytes.withUnsafeBufferPointer { input throws(ImageError) in
            try output.withUnsafeMutableBufferPointer { buffer throws(ImageError) in
                var inflater = Inflater(BitReader(input, from: 2), into: buffer)
                try inflater.run()
                return (inflater.count, inflater.bits.byteOffset)
            }
        }
        output.removeLast(capacity - count)
        guard end + 4 <= bytes.count else { throw ImageError(.badCompression, offset: bytes.count) }
        var expected: UInt32 = 0
        for i in 0..<4 { expected = expected << 8 | UInt32(bytes[end + i]) }
        guard Adler32.checksum(output) == expected else { throw ImageError(.badAdler, offset: end) }
        return output
    }
}

/// Deflate blocks from bits into a buffer that holds all they may make.
private struct Inflater {
    var bits: BitReader
    private let output: UnsafeMutableBufferPointer<UInt8>
    private(set) var count = 0

    init(_ bits: BitReader, into output: UnsafeMutableBufferPointer<UInt8>) {
        self.bits = bits
        self.output = output
    }

    mutating func run() throws(ImageError) {
        var isLast = false
        while !isLast {
            isLast = try bits.take(1) == 1
            switch try bits.take(2) {
            case 0: try stored()
            case 1: try compressed(HuffmanTable.fixedLiterals, HuffmanTable.fixedDistances)
            case 2: try dynamic()
            default: throw damaged
            }
        }
        bits.alignToByte()
    }

    private var damaged: ImageError { ImageError(.badCompression, offset: bits.byteOffset) }

    @inline(__always) private func checkRoom(_ more: Int) throws(ImageError) {
        guard more <= output.count &- count else {
            throw ImageError(.tooMuchData(limit: output.count), offset: bits.byteOffset)
        }
    }

    private mutating func stored() throws(ImageError) {
        bits.alignToByte()
        let length = Int(try bits.take(16))
        guard Int(try bits.take(16)) == length ^ 0xffff else { throw damaged }
        try checkRoom(length)
        guard let source = bits.takeBytes(length) else { throw damaged }
        for i in 0..<length { output[count &+ i] = source[i] }
        count &+= length
    }

    private mutating func dynamic() throws(ImageError) {
        let literals = Int(try bits.take(5)) + 257
        let distances = Int(try bits.take(5)) + 1
        let codes = Int(try bits.take(4)) + 4
        guard literals <= 286, distances <= 30 else { throw damaged }
        let order: InlineArray<19, Int> = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ]
        var codeLengths = [UInt8](repeating: 0, count: 19)
        for i in 0..<codes { codeLengths[order[i]] = UInt8(try bits.take(3)) }
        guard let codeTable = HuffmanTable(codeLengths, mayBeIncomplete: false) else { throw damaged }
        var lengths: [UInt8] = []
        while lengths.count < literals + distances {
            let symbol = try decode(codeTable)
            var value: UInt8 = 0
            var repeats = 1
            switch symbol {
            case 0...15: value = UInt8(symbol)
            case 16:
                guard let last = lengths.last else { throw damaged }
                value = last
                repeats = 3 + Int(try bits.take(2))
            case 17: repeats = 3 + Int(try bits.take(3))
            default: repeats = 11 + Int(try bits.take(7))
            }
            guard lengths.count + repeats <= literals + distances else { throw damaged }
            for _ in 0..<repeats { lengths.append(value) }
        }
        guard lengths[256] != 0,
            let literalTable = HuffmanTable(Array(lengths[..<literals]), mayBeIncomplete: true),
            let distanceTable = HuffmanTable(Array(lengths[literals...]), mayBeIncomplete: true)
        else { throw damaged }
        try compressed(literalTable, distanceTable)
    }

    @inline(__always)
    private mutating func decode(_ table: HuffmanTable) throws(ImageError) -> Int {
        bits.fill()
        let entry = table.lookUp(bits.peeked)
        let length = Int(entry & 15)
        guard length > 0, bits.drop(length) else { throw damaged }
        return Int(entry >> 4)
    }

    private mutating func compressed(
        _ literals: HuffmanTable, _ distances: HuffmanTable
    ) throws(ImageError) {
        // `checkRoom` comes before every store.
        guard let target = output.baseAddress else {
            throw ImageError(.tooMuchData(limit: 0), offset: bits.byteOffset)
        }
        while true {
            let symbol = try decode(literals)
            if symbol < 256 {
                try checkRoom(1)
                target[count] = UInt8(truncatingIfNeeded: symbol)
                count &+= 1
                continue
            }
            if symbol == 256 { return }
            guard symbol < 286 else { throw damaged }
            let length = try lengthOf(symbol - 257)
            let code = try decode(distances)
            guard code < 30 else { throw damaged }
            let extra = max(0, code / 2 - 1)
            let base = code < 4 ? code + 1 : ((2 + code % 2) << extra) + 1
            let distance = base + Int(try bits.take(extra))
            guard distance <= count else { throw damaged }
            try checkRoom(length)
            let to = target + count
            let from = to - distance
            for i in 0..<length { to[i] = from[i] }
            count &+= length
        }
    }

    /// RFC 1951, 3.2.5.
    private mutating func lengthOf(_ code: Int) throws(ImageError) -> Int {
        if code == 28 { return 258 }
        if code < 8 { return code + 3 }
        let extra = code / 4 - 1
        return ((4 + code % 4) << extra) + 3 + Int(try bits.take(extra))
    }
}
