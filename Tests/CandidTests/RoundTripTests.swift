import Candid
import Testing

/// A repeatable source of random numbers for generated types and values.
private struct Generator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }

    mutating func type(depth: Int) -> CandidType {
        let primitives: [CandidType] = [
            .null, .bool, .nat, .int, .nat8, .nat16, .nat32, .nat64, .int8, .int16, .int32, .int64, .float32,
            .float64, .text, .reserved, .principal,
        ]
        guard depth > 0 else { return primitives[below(primitives.count)] }
        switch below(7) {
        case 0: return .optional(type(depth: depth - 1))
        case 1: return .vector(type(depth: depth - 1))
        case 2: return .record(fields(depth: depth - 1))
        case 3: return .variant(fields(depth: depth - 1))
        case 4: return .function(CandidFunction(arguments: [type(depth: depth - 1)], results: [.nat], annotation: .query))
        case 5: return .blob
        default: return primitives[below(primitives.count)]
        }
    }

    private mutating func fields(depth: Int) -> CandidFields {
        var ids = Set<UInt32>()
        for _ in 0..<(1 + below(4)) { ids.insert(UInt32(truncatingIfNeeded: next() >> UInt64(below(40)))) }
        return CandidFields(ids.sorted().reversed().map { CandidField(id: $0, type: type(depth: depth)) })
    }

    mutating func value(_ type: CandidType) -> CandidValue {
        switch type {
        case .null: return .null
        case .reserved: return .reserved
        case .bool: return .bool(below(2) == 1)
        case .nat: return .nat(integer(isNegative: false))
        case .int: return .int(integer(isNegative: below(2) == 1))
        case .nat8: return .nat8(UInt8(truncatingIfNeeded: next()))
        case .nat16: return .nat16(UInt16(truncatingIfNeeded: next()))
        case .nat32: return .nat32(UInt32(truncatingIfNeeded: next()))
        case .nat64: return .nat64(next())
        case .int8: return .int8(Int8(truncatingIfNeeded: next()))
        case .int16: return .int16(Int16(truncatingIfNeeded: next()))
        case .int32: return .int32(Int32(truncatingIfNeeded: next()))
        case .int64: return .int64(Int64(truncatingIfNeeded: next()))
        case .float32: return .float32(Float(below(1 << 20)) / 64 - 99)
        case .float64: return .float64(Double(next()) / 3)
        case .text: return .text(Array(["", "a", "☃ \"x\"\n", "\\"][below(4)].utf8))
        case .principal: return .principal(bytes(below(30)))
        case .optional(let content): return .optional(below(3) == 0 ? nil : value(content))
        case .vector(.nat8): return .blob(bytes(below(9)))
        case .vector(let element): return .vector((0..<below(4)).map { _ in value(element) })
        case .record(let fields):
            return .record(CandidRecord(fields.list.map { .init(id: $0.id, value: value($0.type)) }))
        case .variant(let fields):
            let field = fields.list[below(fields.list.count)]
            return .variant(field.id, value(field.type))
        case .function: return .function(bytes(10), Array("m".utf8))
        default: return .reserved
        }
    }

    private mutating func integer(isNegative: Bool) -> CandidInteger {
        CandidInteger(
            isNegative: isNegative,
            magnitude: (0..<below(5)).map { _ in UInt32(truncatingIfNeeded: next()) })
    }
}

@Suite struct RoundTripTests {
    /// What is encoded is decoded again: at its types, at the message's own types, and as text.
    @Test func generatedValues() throws {
        var generator = Generator(seed: 7)
        for _ in 0..<2_000 {
            let types = (0..<(1 + generator.below(3))).map { _ in generator.type(depth: generator.below(5)) }
            let values = types.map { generator.value($0) }
            let bytes = try Candid.encode(values, as: types)
            #expect(try Candid.decode(bytes, as: types) == values)
            #expect(try Candid.decode(bytes) == values)
            // Text of an optional of an optional null is ambiguous in the grammar itself: types decide.
            let text = CandidText.print(values)
            #expect(throws: Never.self) { try CandidText.parseArguments(text, as: types) }
        }
    }

    /// Every prefix and every changed byte of messages decodes or throws; nothing traps, whatever is expected.
    @Test func damagedMessages() throws {
        var generator = Generator(seed: 11)
        var failures = 0
        for _ in 0..<150 {
            let types = [generator.type(depth: 4)]
            let other = [generator.type(depth: 4)]
            let bytes = try Candid.encode([generator.value(types[0])], as: types)
            for length in bytes.indices {
                #expect(throws: CandidError.self) { try Candid.decode([UInt8](bytes[..<length]), as: types) }
            }
            for position in bytes.indices {
                var damaged = bytes
                damaged[position] ^= UInt8(1 + generator.below(255))
                for expected in [types, other, [.optional(.nat)], [.reserved]] {
                    do { _ = try Candid.decode(damaged, as: expected) } catch { failures += 1 }
                }
            }
        }
        #expect(failures > 1_000)
    }

    @Test(arguments: [
        ("0", [0x00], [0x00]), ("63", [0x3f], [0x3f]), ("64", [0x40], [0xc0, 0x00]), ("127", [0x7f], [0xff, 0x00]),
        ("128", [0x80, 0x01], [0x80, 0x01]), ("624485", [0xe5, 0x8e, 0x26], [0xe5, 0x8e, 0x26]),
        (
            "18446744073709551616", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
            [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]
        ),
    ] as [(String, [UInt8], [UInt8])])
    func naturals(decimal: String, nat: [UInt8], int: [UInt8]) throws {
        let value = try #require(CandidInteger(digits: Array(decimal.utf8)))
        #expect(value.decimal == Array(decimal.utf8))
        #expect(try Candid.encode([.nat(value)], as: [.nat]) == [0x44, 0x49, 0x44, 0x4c, 0, 1, 0x7d] + nat)
        #expect(try Candid.encode([.int(value)], as: [.int]) == [0x44, 0x49, 0x44, 0x4c, 0, 1, 0x7c] + int)
    }

    @Test(arguments: [
        ("-1", [0x7f]), ("-64", [0x40]), ("-65", [0xbf, 0x7f]), ("-123456", [0xc0, 0xbb, 0x78]),
        ("-9223372036854775808", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f]),
        ("-9223372036854775809", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7e]),
    ] as [(String, [UInt8])])
    func negatives(decimal: String, bytes: [UInt8]) throws {
        let value = try #require(CandidInteger(digits: Array(decimal.utf8.dropFirst()), isNegative: true))
        #expect(value.decimal == Array(decimal.utf8))
        let message = try Candid.encode([.int(value)], as: [.int])
        #expect(message == [0x44, 0x49, 0x44, 0x4c, 0, 1, 0x7c] + bytes)
        #expect(try Candid.decode(message) == [.int(value)])
        #expect(throws: CandidError.self) { try Candid.encode([.nat(value)], as: [.nat]) }
    }

    /// Field ids published with the specification and the management canister.
    @Test(arguments: [
        ("Ok", 17724), ("Err", 3_456_837), ("canister_id", 1_313_628_723), ("wasm_module", 265_441_191),
        ("settings", 2_336_062_691), ("amount", 3_573_748_184), ("e8s", 5_035_232),
    ] as [(String, UInt32)])
    func fieldIDs(name: String, id: UInt32) {
        #expect(Candid.hash(Array(name.utf8)) == id)
    }

    /// A message nested beyond the limit is refused, not followed.
    @Test func depthBomb() throws {
        // type t = opt t, with 100,000 levels of value.
        let bytes: [UInt8] =
            [0x44, 0x49, 0x44, 0x4c, 1, 0x6e, 0, 1, 0] + [UInt8](repeating: 1, count: 100_000) + [0]
        for expected: [CandidType] in [[], [.optional(.nat)], [.reserved]] {
            let error = #expect(throws: CandidError.self) { try Candid.decode(bytes, as: expected) }
            #expect(error?.reason == .tooDeep)
        }
    }

    /// A recursive type makes one table entry and comes back.
    @Test func recursiveTypes() throws {
        let interface = try CandidText.parseInterface("type List = opt record { head : int; tail : List };")
        let list = try #require(interface.type("List"))
        let values = try CandidText.parseArguments(
            "(opt record { head = 1; tail = opt record { head = -2; tail = null } })", as: [list],
            definitions: interface.definitions)
        let bytes = try Candid.encode(values, as: [list], definitions: interface.definitions)
        #expect(try Candid.decode(bytes, as: [list], definitions: interface.definitions) == values)
        #expect(bytes[4] == 2)
    }
}
