import Images
import Testing

/// Where this decoder and libpng disagree about whether a file is valid; about pixels they never do.
@Suite struct MutationTests {
    static let limits = ImageLimits(maximumWidth: 512, maximumHeight: 512, maximumPixels: 65_536)

    /// What we refuse and libpng reads without a warning, each told by other means than our decoder:
    /// - something before IHDR, or a critical chunk behind the data, where libpng only looks for IEND;
    /// - a palette index beyond the palette, which libpng makes black;
    /// - a zlib stream that ends before its Adler-32, which libpng does not read when it has its pixels.
    static func isStricter(_ file: [UInt8], _ reason: ImageError.Reason) -> Bool {
        let chunks = Mutation.chunks(file)
        let names = chunks.map { String(decoding: $0.name, as: UTF8.self) }
        switch reason {
        case .badChunk, .unknownCriticalChunk:
            let behind = names.drop { $0 != "IDAT" }.drop { $0 == "IDAT" }.dropLast()
            return names.first != "IHDR" || behind.contains { $0.first?.isUppercase == true }
        case .badPaletteIndex: return chunks[0].body[9] == 3
        case .badCompression:
            let stream = chunks.filter { $0.name == Array("IDAT".utf8) }.flatMap(\.body)
            return ReferenceZlib.inflate(stream, limit: 1 << 20).isEmpty
        default: return false
        }
    }

    /// What we read and libpng, taking each of its complaints seriously, does not: an ancillary chunk that is
    /// malformed or out of place (we skip them), bytes behind the zlib stream, and matches that reach further
    /// back than the window that the stream's header names.
    static func isMoreTolerant(_ complaint: String) -> Bool {
        if complaint.hasPrefix("IDAT: ") {
            return complaint.hasSuffix("Extra compressed data")
                || complaint.hasSuffix("distance too far back")
        }
        return complaint.first?.isLowercase == true && complaint.dropFirst(4).hasPrefix(": ")
    }

    @Test("10,000 damaged files: no trap, and every file that libpng reads too gives the same pixels")
    func damage() {
        let corpus =
            stride(from: 0, to: Suite.wrappings.count, by: 3).map { Suite.wrappings[$0].bytes }
            + stride(from: 0, to: Suite.filters.count, by: 17).map { Suite.filters[$0].bytes }
        var dice = Dice(20_261_123)
        var read = [Mutation.Kind: Int]()
        var refused = [Mutation.Kind: Int]()
        var reasons = [String: Int]()
        for number in 0..<10_000 {
            let kind = Mutation.Kind.allCases[number % Mutation.Kind.allCases.count]
            let file = Mutation(kind, of: corpus[dice.below(corpus.count)], &dice).bytes
            let theirs = LibPNG(decoding: file, limits: Self.limits)
            do {
                let ours = try PNG.decode(file, limits: Self.limits)
                read[kind, default: 0] += 1
                switch theirs {
                case .decoded(let image, _): #expect(ours == image, "\(number) \(kind)")
                case .refused(let complaint):
                    #expect(Self.isMoreTolerant(complaint), "\(number) \(kind): libpng says \(complaint)")
                case .tooLarge: Issue.record("\(number) \(kind): larger than allowed")
                }
            } catch {
                refused[kind, default: 0] += 1
                reasons["\(error.reason)".prefix { $0 != "(" }.description, default: 0] += 1
                if case .decoded(_, warning: "") = theirs {
                    #expect(Self.isStricter(file, error.reason), "\(number) \(kind): \(error)")
                }
            }
        }
        for kind in Mutation.Kind.allCases {
            let isAlwaysWrong = [.flippedBits, .truncated, .stream, .checksumOfStream].contains(kind)
            #expect(isAlwaysWrong || read[kind, default: 0] >= 20, "\(kind) is seldom read")
            #expect(refused[kind, default: 0] >= 20 || kind == .tail, "\(kind) is seldom refused")
        }
        // Every way to refuse a file has been taken.
        #expect(reasons.count == 13, "\(reasons)")
        #expect(read.values.reduce(0, +) > 1_500 && refused.values.reduce(0, +) > 5_000)
    }
}
