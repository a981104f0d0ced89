import InternetComputer
import Testing

/// RFC 8949 appendix A where it applies, and what an enemy could send.
struct CBORTests {
    @Test(arguments: [
        ("00", CBOR.unsigned(0)), ("17", .unsigned(23)), ("1818", .unsigned(24)), ("1903e8", .unsigned(1000)),
        ("1a000f4240", .unsigned(1_000_000)), ("1bffffffffffffffff", .unsigned(.max)), ("20", .negative(0)),
        ("3863", .negative(99)), ("3bffffffffffffffff", .negative(.max)), ("f4", .bool(false)),
        ("f5", .bool(true)), ("f6", .null), ("f7", .undefined), ("f0", .simple(16)), ("f8ff", .simple(255)),
        ("fb3ff199999999999a", .float(1.1)), ("40", .bytes([])), ("4401020304", .bytes([1, 2, 3, 4])),
        ("6449455446", .text("IETF")), ("62c3bc", .text("ü")), ("80", .array([])),
        ("83010203", .array([.unsigned(1), .unsigned(2), .unsigned(3)])), ("a0", .map([])),
        ("a26161016162820203", .record(["a": .unsigned(1), "b": .array([.unsigned(2), .unsigned(3)])])),
        ("d9d9f700", .tagged(55799, .unsigned(0))), ("c249010000000000000000", .tagged(2, .bytes([1] + .init(repeating: 0, count: 8)))),
    ])
    func roundTrip(hex: String, value: CBOR) throws {
        let encoded = try #require(bytes(hexadecimal: hex))
        #expect(try CBOR.decode(encoded) == value)
        #expect(value.encoded() == encoded)
    }

    @Test(arguments: [
        ("f90000", CBOR.float(0)), ("f93c00", .float(1)), ("f93e00", .float(1.5)), ("f97bff", .float(65504)),
        ("f90001", .float(5.960464477539063e-8)), ("f9c400", .float(-4)), ("f97c00", .float(.infinity)),
        ("fa47c35000", .float(100000)), ("5f42010243030405ff", .bytes([1, 2, 3, 4, 5])),
        ("7f657374726561646d696e67ff", .text("streaming")), ("9fff", .array([])),
        ("9f018202039f0405ffff", .array([.unsigned(1), .array([.unsigned(2), .unsigned(3)]), .array([.unsigned(4), .unsigned(5)])])),
        ("bf61610161629f0203ffff", .record(["a": .unsigned(1), "b": .array([.unsigned(2), .unsigned(3)])])),
        ("1800", .unsigned(0)), ("190001", .unsigned(1)),
    ])
    func readsOtherForms(hex: String, value: CBOR) throws {
        #expect(try CBOR.decode(#require(bytes(hexadecimal: hex))) == value)
    }

    @Test(arguments: [
        ("", CBORError.truncated(offset: 0, needed: 1, remaining: 0)),
        ("5bffffffffffffffff", .truncated(offset: 9, needed: .max, remaining: 0)),
        ("9b7fffffffffffffff00", .truncated(offset: 9, needed: 0x7fff_ffff_ffff_ffff, remaining: 1)),
        ("bb7fffffffffffffff00", .truncated(offset: 9, needed: 0x7fff_ffff_ffff_ffff, remaining: 1)),
        ("0000", .trailingBytes(offset: 1, count: 1)), ("1c", .reservedHead(offset: 0, byte: 0x1c)),
        ("1f", .reservedHead(offset: 0, byte: 0x1f)), ("df", .reservedHead(offset: 0, byte: 0xdf)),
        ("f801", .reservedHead(offset: 0, byte: 0xf8)), ("62ff00", .badUTF8(offset: 0)),
        ("ff", .unexpectedBreak(offset: 0)), ("a2616100616101", .duplicateKey(offset: 4)),
        ("a200001800 01".filter { $0 != " " }, .duplicateKey(offset: 3)), ("5f6161ff", .badChunk(offset: 1)),
        ("5f5f4100ffff", .badChunk(offset: 1)), ("bf6161ff", .unexpectedBreak(offset: 3)),
    ])
    func refuses(hex: String, error: CBORError) throws {
        let input = try #require(bytes(hexadecimal: hex))
        #expect(throws: error) { try CBOR.decode(input) }
    }

    @Test func bombsAreBounded() {
        let deep = [UInt8](repeating: 0x81, count: 100_000) + [0]
        #expect(throws: CBORError.tooDeep(offset: 129, limit: 128)) { try CBOR.decode(deep) }
        let wide: [UInt8] = [0x9a, 0x00, 0x20, 0x00, 0x00] + [UInt8](repeating: 0, count: 0x20_0000)
        #expect(throws: CBORError.tooManyItems(offset: 5 + 399_999, limit: 400_000)) { try CBOR.decode(wide) }
        let tags = [UInt8](repeating: 0xc1, count: 100_000) + [0]
        #expect(throws: CBORError.self) { try CBOR.decode(tags) }
    }

    /// Random items survive, their prefixes do not, and no mutation does anything worse than throw.
    @Test func fuzz() throws {
        var generator = SeededGenerator(seed: 7)
        var accepted = 0
        for _ in 0..<2000 {
            let item = Self.item(&generator, depth: 0)
            let encoded = item.encoded()
            #expect(try CBOR.decode(encoded).encoded() == encoded)
            for end in 0..<min(encoded.count, 40) {
                #expect(throws: CBORError.self) { try CBOR.decode(Array(encoded.prefix(end))) }
            }
            var mutated = encoded
            mutated[Int.random(in: mutated.indices, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
            if let value = try? CBOR.decode(mutated) {
                accepted += 1
                #expect(try CBOR.decode(value.encoded()).encoded() == value.encoded())
            }
        }
        #expect(accepted > 100)
    }

    private static func item(_ generator: inout SeededGenerator, depth: Int) -> CBOR {
        let kind = Int.random(in: 0..<(depth > 3 ? 6 : 9), using: &generator)
        let count = Int.random(in: 0..<6, using: &generator)
        switch kind {
        case 0: return .unsigned(UInt64.random(in: .min ... .max, using: &generator) >> UInt64.random(in: 0..<64, using: &generator))
        case 1: return .negative(UInt64.random(in: 0...300, using: &generator))
        case 2: return .bytes((0..<count * 10).map { _ in UInt8.random(in: 0...255, using: &generator) })
        case 3: return .text(String((0..<count).map { _ in "aäß漢".randomElement(using: &generator) ?? "a" }))
        case 4: return .bool(Bool.random(using: &generator))
        case 5: return .null
        case 6: return .array((0..<count).map { _ in item(&generator, depth: depth + 1) })
        case 7:
            return .map((0..<count).map { .init(.text("key\($0)"), item(&generator, depth: depth + 1)) })
        default: return .tagged(UInt64(count), item(&generator, depth: depth + 1))
        }
    }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
