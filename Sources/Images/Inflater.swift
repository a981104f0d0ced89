/// Deflate blocks (RFC 1951) from bits into memory that holds all they may make.
struct Inflater: ~Copyable {
    /// Bytes of memory behind the limit: a limit is checked before a token is written, and copies run over.
    static let slack = 3 + 258 + 16

    private(set) var bits: BitReader
    private(set) var count = 0
    private let output: UnsafeMutablePointer<UInt8>
    private let limit: Int
    private var literals: HuffmanCode
    private var distances: HuffmanCode
    private var codeLengths = HuffmanCode(symbols: 19, tableBits: 7)

    private var hasFixedCodes = false

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
    /// Above the length of its code.
    private static let endOfBlock = HuffmanCode.absent | 0x2000_0000

    /// RFC 1951, 3.2.5; absent for the symbols that must not occur.
    @inline(__always) private static func literalEntry(_ symbol: Int, _ length: Int) -> UInt32 {
        if symbol < 256 { return literal | UInt32(truncatingIfNeeded: symbol &<< 8 | length) }
        if symbol == 256 { return endOfBlock | UInt32(truncatingIfNeeded: length) }
        let code = symbol &- 257
        guard code < 29 else { return HuffmanCode.absent }
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
        // Otherwise a file of empty blocks could make millions of tables.
        guard !hasFixedCodes else { return }
        hasFixedCodes = true
        literals.buildFixedLiterals(Inflater.literalEntry)
        distances.removeAll()
        distances.append(0..<32, length: 5)
        guard distances.build(mayBeIncomplete: false, Inflater.distanceEntry) else { throw damaged }
    }

    /// RFC 1951, 3.2.7.
    private mutating func readCodes() throws(ImageError) {
        let symbols = try bits.take(5) + 257
        let distances = try bits.take(5) + 1
        let codes = try bits.take(4) + 4
        guard symbols <= 286, distances <= 30 else { throw damaged }
        try readCodeLengths(codes)
        hasFixedCodes = false
        literals.removeAll()
        self.distances.removeAll()
        // A run may go on from one code to the other.
        var reader = CodeLengthReader(codeLengths.table)
        try reader.read(symbols, of: literals, from: &bits)
        try reader.read(distances, of: self.distances, from: &bits)
        guard reader.isDone else { throw damaged }
        guard
            literals.build(mayBeIncomplete: true, Inflater.literalEntry),
            self.distances.build(mayBeIncomplete: true, Inflater.distanceEntry)
        else { throw damaged }
    }

    /// The code of the lengths of the other two codes.
    private mutating func readCodeLengths(_ count: Int) throws(ImageError) {
        let order: InlineArray<19, Int> = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        var lengths = InlineArray<19, Int>(repeating: 0)
        for i in 0..<count { lengths[order[i]] = try bits.take(3) }
        codeLengths.removeAll()
        for symbol in 0..<19 where lengths[symbol] > 0 {
            codeLengths.append(symbol, length: lengths[symbol])
        }
        let isComplete = codeLengths.build(mayBeIncomplete: false) { symbol, length in
            UInt32(truncatingIfNeeded: symbol &<< 8 | length)
        }
        guard isComplete else { throw damaged }
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
        @inline(__always) func put(_ entry: UInt32) {
            output[count] = UInt8(truncatingIfNeeded: entry &>> 8)
            count &+= 1
            bits.skip(Int(entry & 255))
        }
        while true {
            var window = try bits.window()
            guard count <= limit else { throw tooMuch }
            var entry = literals[window]
            if entry & Inflater.literal != 0 {
                put(entry)
                window &>>= UInt64(entry & 255)
                entry = literals[window]
                if entry & Inflater.literal != 0 {
                    put(entry)
                    window &>>= UInt64(entry & 255)
                    entry = literals[window]
                    if entry & Inflater.literal != 0 {
                        put(entry)
                        continue
                    }
                }
                window = bits.secondWindow()
            }
            if entry & HuffmanCode.absent != 0 {
                if entry == HuffmanCode.absent {
                    guard let found = self.literals.search(window) else { throw damaged }
                    entry = Inflater.literalEntry(found.symbol, found.length)
                    guard entry != HuffmanCode.absent else { throw damaged }
                }
                if entry & Inflater.literal != 0 {
                    put(entry)
                    continue
                }
                if entry & HuffmanCode.absent != 0 {
                    bits.skip(Int(entry & 255))
                    self.bits = bits
                    self.count = count
                    return
                }
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
