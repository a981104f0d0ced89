import CPNGSuite

/// Seeded numbers (SplitMix64), the same in every run.
struct Dice: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
    mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }
}

/// Files of every form that libpng writes: what PngSuite covers, and all of its combinations.
struct Suite {
    let name: String
    let bytes: [UInt8]

    /// Colour type and depth, all that PNG defines.
    static let formats: [(colour: Int, depth: Int)] = [
        (0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8),
        (4, 16), (6, 8), (6, 16),
    ]
    static func samples(_ colour: Int) -> Int { [1, 0, 3, 1, 2, 0, 4][colour] }

    /// Level and strategy: stored, fixed codes, dynamic codes, codes without matches, runs only.
    static let compressions: [(level: Int, strategy: Int)] = [(0, 0), (9, 4), (9, 0), (6, 2), (6, 3), (1, 0)]

    /// The file libpng writes of a form, its pixels seeded by all of it.
    init(
        _ format: (colour: Int, depth: Int), _ width: Int, _ height: Int, interlaced: Bool, filter: Int,
        compression: Int, idatBytes: Int = 8_192, windowBits: Int = 15, colours: Int? = nil,
        extras: Bool = false
    ) {
        let (colour, depth) = format
        let full = 1 << min(depth, 8)
        let entries = colour == 3 ? colours ?? full : 0
        name =
            "colour \(colour) depth \(depth) \(width)x\(height)\(interlaced ? " interlaced" : "")"
            + " filter \(filter) compression \(compression) IDAT \(idatBytes) window \(windowBits)"
            + (colour == 3 ? " palette \(entries)" : "") + (extras ? " extras" : "")
        var dice = Dice(name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
        let palette = (0..<3 * max(entries, 1)).map { _ in dice.byte() }
        let rows = Self.rows(
            format, width, height, below: colour == 3 ? entries : 1 << depth, dice: &dice)
        var form = cpngsuite_form()
        form.width = UInt32(width)
        form.height = UInt32(height)
        form.bit_depth = Int32(depth)
        form.color_type = Int32(colour)
        form.interlaced = interlaced ? 1 : 0
        form.filter = Int32(filter)
        form.level = Int32(Self.compressions[compression].level)
        form.strategy = Int32(Self.compressions[compression].strategy)
        form.window_bits = Int32(windowBits)
        form.idat_bytes = UInt32(idatBytes)
        form.colors = Int32(entries)
        form.transparency = extras ? 1 : 0
        form.ancillary = extras ? 1 : 0
        var output = [UInt8](repeating: 0, count: rows.count * 8 + 32_768)
        let count = cpngsuite_write(&form, rows, palette, &output, output.count)
        bytes = count < 0 ? [] : Array(output[..<count])
    }

    /// Packed rows of a picture that has slopes, repeats and noise.
    static func rows(
        _ format: (colour: Int, depth: Int), _ width: Int, _ height: Int, below most: Int, dice: inout Dice
    ) -> [UInt8] {
        let samples = samples(format.colour)
        let kind = dice.below(4)
        let slope = 1 + dice.below(max(1, most / 8))
        var rows: [UInt8] = []
        for y in 0..<height {
            var bits = 0
            var held: UInt8 = 0
            for x in 0..<width {
                for s in 0..<samples {
                    let smooth = (x + 2 * y) * slope * (s + 1)
                    let value: Int
                    switch kind {
                    case 0: value = smooth % most
                    case 1: value = (smooth + dice.below(max(2, most / 32))) % most
                    case 2: value = dice.below(most)
                    default: value = dice.below(8) == 0 ? dice.below(most) : (x / 3 * slope) % most
                    }
                    if format.depth == 16 { rows.append(UInt8(value >> 8)) }
                    if format.depth >= 8 {
                        rows.append(UInt8(value & 255))
                    } else {
                        held = held << format.depth | UInt8(value)
                        bits += format.depth
                        if bits == 8 {
                            rows.append(held)
                            bits = 0
                        }
                    }
                }
            }
            if bits > 0 { rows.append(held << (8 - bits)) }
        }
        return rows
    }

    /// Every colour type and depth, plain and interlaced, with every filter, in sizes around every edge.
    static let filters: [Suite] = {
        var files: [Suite] = []
        let sizes = [
            (1, 1), (2, 1), (1, 3), (3, 2), (4, 5), (5, 4), (7, 8), (8, 7), (9, 9), (16, 5), (33, 17),
            (40, 40),
        ]
        for format in formats {
            for interlaced in [false, true] {
                for filter in 0...5 {
                    for (width, height) in sizes {
                        files.append(
                            Suite(
                                format, width, height, interlaced: interlaced, filter: filter,
                                compression: files.count % compressions.count))
                    }
                }
            }
        }
        return files
    }()

    /// Every size from 1x1 to 40x40 in every format, filters chosen by libpng.
    static let sizes: [Suite] = {
        var files: [Suite] = []
        for format in formats {
            for size in 1...40 {
                for interlaced in [false, true] {
                    files.append(
                        Suite(
                            format, size, 41 - (size + files.count) % 41, interlaced: interlaced, filter: 5,
                            compression: files.count % compressions.count))
                }
            }
        }
        return files
    }()

    /// Data split over chunks of 6 bytes and up, small windows, short palettes, transparency and all other chunks.
    static let wrappings: [Suite] = {
        var files: [Suite] = []
        for format in formats {
            for compression in compressions.indices {
                for (bytes, window) in [(6, 15), (7, 9), (64, 10), (8_192, 8)] {
                    files.append(
                        Suite(
                            format, 31, 20, interlaced: files.count % 3 == 0, filter: files.count % 6,
                            compression: compression, idatBytes: bytes, windowBits: window,
                            extras: files.count % 2 == 0))
                }
            }
            guard format.colour == 3 else { continue }
            let full = 1 << format.depth
            for colours in Set([1, 2, 3, full / 2 + 1, full - 1, full]).filter({ $0 <= full }).sorted() {
                for extras in [false, true] {
                    files.append(
                        Suite(
                            format, 13, 11, interlaced: extras, filter: colours % 6, compression: 2,
                            colours: colours, extras: extras))
                }
            }
        }
        return files
    }()
}

/// zlib streams made by zlib itself.
enum ReferenceZlib {
    static func deflate(_ data: [UInt8], level: Int, strategy: Int) -> [UInt8] {
        made(data.count * 2 + 1_024) {
            cpngsuite_deflate(data, data.count, Int32(level), Int32(strategy), $0, $1)
        }
    }

    /// All block types in turn, with flushes between that leave empty blocks.
    static func deflateMixed(_ data: [UInt8], piece: Int) -> [UInt8] {
        made(data.count * 4 + 65_536) { cpngsuite_deflate_mixed(data, data.count, piece, $0, $1) }
    }

    /// The data of a valid stream of at most `limit`; empty when it is not valid.
    static func inflate(_ stream: [UInt8], limit: Int) -> [UInt8] {
        made(limit) { cpngsuite_inflate(stream, stream.count, $0, $1) }
    }

    private static func made(_ capacity: Int, _ body: (UnsafeMutablePointer<UInt8>?, Int) -> Int) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: capacity)
        let count = output.withUnsafeMutableBufferPointer { body($0.baseAddress, $0.count) }
        return Array(output[..<max(0, count)])
    }
}
