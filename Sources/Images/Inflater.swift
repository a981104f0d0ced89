/// Deflate blocks (RFC 1951) from bits into memory that holds all they may make.
struct Inflater: ~Copyable {
    /// Bytes of memory behind the limit: a limit is checked before a token is written, and copies run over.
    static let slack = 2 + 258 + 16

    private(set) var bits: BitReader
    private(set) var count = 0
    private let output: UnsafeMutablePointer<UInt8>
    private let limit: Int
    private var literals: HuffmanCode
    private var distances: HuffmanCode
    private var codeLengths = HuffmanCode(symbols: 19, tableBits: 7)

    /// `output` has room for `limit` and `slack` bytes. Tables are larger for long streams, where they pay.
    init(_ bits: BitReader, streamBytes: Int, into output: UnsafeMutablePointer<UInt8>, limit: Int) {
        self.bits = bits
        self.output = output
        self.limit = limit
        let isLong = streamBytes > 4_096
        literals = HuffmanCode(symbols: 288, tableBits: isLong ? 11 : 9)
        distances = HuffmanCode(symbols: 32, tableBits: isLong ? 9 : 7)
    }

    /// Up to the end of the last block, and to the byte after it.
    mutating func run() throws(ImageError) {
        var isLast = false
        while !isLast {
            isLast = try bits.take(1) == 1
            switch try bits.take(2) {
            case 0: try stored()
            case 1:
                try useFixedCodes()
                try compressed()
            case 2:
                try readCodes()
                try compressed()
            default: throw damaged
            }
        }
        bits.alignToByte()
        guard count <= limit else { throw tooMuch }
    }

    private var damaged: ImageError { ImageError(.badCompression, offset: bits.byteOffset) }
    private var tooMuch: ImageError { ImageError(.tooMuchData(limit: limit), offset: bits.byteOffset) }

    private mutating func stored() throws(ImageError) {
        bits.alignToByte()
        let length = try bits.take(16)
        guard try bits.take(16) == length ^ 0xffff else { throw damaged }
        guard count <= limit, length <= limit - count else { throw tooMuch }
        guard let source = bits.takeBytes(length) else { throw damaged }
        UnsafeMutableRawPointer(output + count).copyMemory(from: source, byteCount: length)
        count += length
    }

    // MARK: Codes

    /// Entries of literals have this bit and the byte above the eight bits of the code's length. Those of matches
    /// have the bits of code and extra bits, above them those of the code alone, and above 16 bits the base.
    private static let literal: UInt32 = 0x8000_0000

    /// RFC 1951, 3.2.5, for symbols 0…285; 256, the end of the block, is searched.
    @inline(__always) private static func literalEntry(_ symbol: Int, _ length: Int) -> UInt32 {
        if symbol < 256 { return literal | UInt32(truncatingIfNeeded: symbol &<< 8 | length) }
        let code = symbol &- 257
        guard code >= 0, code < 29 else { return HuffmanCode.absent }
        if code == 28 { return matchEntry(258, 0, length) }
        if code < 8 { return matchEntry(code &+ 3, 0, length) }
        let extra = code &>> 2 &- 1
        return matchEntry((4 &+ code & 3) &<< extra &+ 3, extra, length)
    }

    @inline(__always) private static func distanceEntry(_ code: Int, _ length: Int) -> UInt32 {
        guard code < 30 else { return HuffmanCode.absent }
        if code < 4 { return matchEntry(code &+ 1, 0, length) }
        let extra = code &>> 1 &- 1
        return matchEntry((2 &+ code & 1) &<< extra &+ 1, extra, length)
    }

    @inline(__always) private static func matchEntry(_ base: Int, _ extra: Int, _ length: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: base &<< 16 | length &<< 8 | (length &+ extra))
    }

    /// RFC 1951, 3.2.6.
    private mutating func useFixedCodes() throws(ImageError) {
        literals.removeAll()
        distances.removeAll()
        for symbol in 0..<144 { literals.append(symbol, length: 8) }
        for symbol in 144..<256 { literals.append(symbol, length: 9) }
        for symbol in 256..<280 { literals.append(symbol, length: 7) }
        for symbol in 280..<288 { literals.append(symbol, length: 8) }
        for symbol in 0..<32 { distances.append(symbol, length: 5) }
        try buildCodes()
    }

    /// RFC 1951, 3.2.7.
    private mutating func readCodes() throws(ImageError) {
        let symbols = try bits.take(5) + 257
        let distances = try bits.take(5) + 1
        let codes = try bits.take(4) + 4
        guard symbols <= 286, distances <= 30 else { throw damaged }
        try readCodeLengths(codes)
        self.literals.removeAll()
        self.distances.removeAll()
        try readLengths(literals: symbols, all: symbols + distances)
        try buildCodes()
    }

    /// The code of the lengths of the other two codes.
    private mutating func readCodeLengths(_ count: Int) throws(ImageError) {
        let order: InlineArray<19, Int> = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        var lengths = InlineArray<19, Int>(repeating: 0)
        for i in 0..<count { lengths[order[i]] = try bits.take(3) }
        codeLengths.removeAll()
        for symbol in 0..<19 where lengths[symbol] > 0 { codeLengths.append(symbol, length: lengths[symbol]) }
        let isComplete = codeLengths.build(mayBeIncomplete: false) { symbol, length in
            UInt32(truncatingIfNeeded: symbol &<< 8 | length)
        }
        guard isComplete else { throw damaged }
    }

    /// Lengths of the first `literals` of `all` symbols and of distances behind them, run by run.
    private mutating func readLengths(literals: Int, all: Int) throws(ImageError) {
        let codes = codeLengths.table
        var bits = bits
        var length = 0
        var hasEnd = false
        var symbol = 0
        while symbol < all {
            var window = try bits.window()
            let entry = codes[window]
            let code = Int(truncatingIfNeeded: entry &>> 8)
            bits.skip(Int(entry & 255))
            var repeats = 1
            if code < 16 {
                length = code
            } else {
                window &>>= UInt64(entry & 255)
                let extra = code == 16 ? 2 : code == 17 ? 3 : 7
                repeats = (code == 18 ? 11 : 3) &+ Int(truncatingIfNeeded: window) & (1 &<< extra &- 1)
                bits.skip(extra)
                if code > 16 { length = 0 }
                guard code > 16 || symbol > 0, repeats <= all &- symbol else {
                    throw ImageError(.badCompression, offset: bits.byteOffset)
                }
            }
            let end = symbol &+ repeats
            if length == 0 {
                symbol = end
                continue
            }
            hasEnd = hasEnd || (symbol <= 256 && end > 256)
            while symbol < end {
                if symbol < literals {
                    self.literals.append(symbol, length: length)
                } else {
                    distances.append(symbol &- literals, length: length)
                }
                symbol &+= 1
            }
        }
        self.bits = bits
        guard hasEnd else { throw damaged }
    }

    private mutating func buildCodes() throws(ImageError) {
        guard
            literals.build(mayBeIncomplete: true, Inflater.literalEntry),
            distances.build(mayBeIncomplete: true, Inflater.distanceEntry)
        else { throw damaged }
    }

    // MARK: Data

    /// Tokens up to the end of the block.
    private mutating func compressed() throws(ImageError) {
        let literals = literals.table
        let distances = distances.table
        let output = output
        let limit = limit
        var bits = bits
        var count = count
        while true {
            var window = try bits.window()
            guard count <= limit else { throw tooMuch }
            var entry = literals[window]
            if entry & Inflater.literal != 0 {
                output[count] = UInt8(truncatingIfNeeded: entry &>> 8)
                count &+= 1
                bits.skip(Int(entry & 255))
                window &>>= UInt64(entry & 255)
                entry = literals[window]
                if entry & Inflater.literal != 0 {
                    output[count] = UInt8(truncatingIfNeeded: entry &>> 8)
                    count &+= 1
                    bits.skip(Int(entry & 255))
                    continue
                }
                window = bits.secondWindow()
            }
            if entry & HuffmanCode.absent != 0 {
                guard let found = self.literals.search(window) else { throw damaged }
                if found.symbol < 256 {
                    output[count] = UInt8(truncatingIfNeeded: found.symbol)
                    count &+= 1
                    bits.skip(found.length)
                    continue
                }
                if found.symbol == 256 {
                    bits.skip(found.length)
                    self.bits = bits
                    self.count = count
                    return
                }
                entry = Inflater.literalEntry(found.symbol, found.length)
                guard entry != HuffmanCode.absent else { throw damaged }
            }
            let length = Inflater.matchValue(entry, window)
            bits.skip(Int(entry & 255))
            window &>>= UInt64(entry & 255)
            entry = distances[window]
            if entry & HuffmanCode.absent != 0 {
                guard let found = self.distances.search(window) else { throw damaged }
                entry = Inflater.distanceEntry(found.symbol, found.length)
                guard entry != HuffmanCode.absent else { throw damaged }
            }
            let distance = Inflater.matchValue(entry, window)
            bits.skip(Int(entry & 255))
            guard distance <= count else { throw ImageError(.badCompression, offset: bits.byteOffset) }
            Inflater.copyMatch(output + count, length: length, distance: distance)
            count &+= length
        }
    }

    /// Base and extra bits of the length or distance whose code `window` starts with.
    @inline(__always) private static func matchValue(_ entry: UInt32, _ window: UInt64) -> Int {
        let used = window & (1 &<< UInt64(entry & 255) &- 1)
        return Int(truncatingIfNeeded: UInt64(entry &>> 16) &+ used &>> UInt64(entry &>> 8 & 255))
    }

    /// Repeats what lies `distance` bytes before `target`; up to 15 bytes more than `length` are written.
    @inline(__always) private static func copyMatch(
        _ target: UnsafeMutablePointer<UInt8>, length: Int, distance: Int
    ) {
        var to = UnsafeMutableRawPointer(target)
        let end = to + length
        var from = UnsafeRawPointer(to) - distance
        if distance >= 16 {
            repeat {
                to.storeBytes(of: from.loadUnaligned(as: SIMD2<UInt64>.self), as: SIMD2<UInt64>.self)
                to += 16
                from += 16
            } while to < end
            return
        }
        if distance >= 8 {
            repeat {
                to.storeBytes(of: from.loadUnaligned(as: UInt64.self), as: UInt64.self)
                to += 8
                from += 8
            } while to < end
            return
        }
        // As many whole periods as fit eight bytes; the first byte is the lowest.
        var shift = UInt64(truncatingIfNeeded: distance &* 8)
        var pattern = UInt64(littleEndian: from.loadUnaligned(as: UInt64.self)) & (1 &<< shift &- 1)
        while shift < 64 {
            pattern |= pattern &<< shift
            shift &*= 2
        }
        pattern = pattern.littleEndian
        let step = distance < 5 ? 8 &- 8 % distance : distance
        repeat {
            to.storeBytes(of: pattern, as: UInt64.self)
            to += step
        } while to < end
    }
}
