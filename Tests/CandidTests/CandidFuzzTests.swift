import Candid
import Testing

/// Bytes and texts that nobody would write: each ends in a value or a typed error, soon.
@Suite struct CandidFuzzTests {
    private struct Random {
        var state: UInt64
        mutating func below(_ bound: Int) -> Int {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return Int((z ^ (z >> 31)) % UInt64(max(1, bound)))
        }
    }

    static let expected: [[CandidType]?] = [
        nil, [], [.text], [.vector(.record(["a": .optional(.nat), "b": .blob]))], [.optional(.variant(["x": .null, "y": .principal]))],
    ]

    /// A type table and values made of small numbers resemble messages more often than other bytes do.
    @Test(.timeLimit(.minutes(1))) func messagesOfRandomBytes() {
        var random = Random(state: 31)
        var (read, refused) = (0, 0)
        for round in 0..<20_000 {
            let codes: [UInt8] = [0x6c, 0x6d, 0x6e, 0x6b, 0x7d, 0x71, 0x68, 0x7f, 0x70, 0x00, 0x01, 0x02]
            let bytes: [UInt8] = Array("DIDL".utf8) + (0..<random.below(60)).map { _ in
                round % 3 == 0 ? UInt8(random.below(256)) : random.below(3) == 0 ? codes[random.below(codes.count)] : UInt8(random.below(4))
            }
            do throws(CandidError) {
                if let types = Self.expected[round % Self.expected.count] {
                    _ = try Candid.decode(bytes, as: types)
                } else {
                    _ = try Candid.decode(bytes)
                }
                read += 1
            } catch { refused += 1 }
        }
        #expect(read > 50 && refused > 10_000, "\(read) \(refused)")
    }

    static let texts = [
        "(record { a = 5 : nat; \"b c\" = opt \"t\\u{e9}\\n\"; 7 = vec { 1; 2 } })", "(blob \"\\00\\ff\", principal \"aaaaa-aa\", -1.5e3)",
        "(variant { ok = record { true; null } }, func \"aaaaa-aa\".m, service \"aaaaa-aa\")",
        "type t = record { opt t; nat }; service : { f : (t, vec text) -> (variant { a; b : int8 }) query; g : () -> () oneway }",
    ]

    @Test(.timeLimit(.minutes(1))) func damagedTexts() {
        var random = Random(state: 32)
        var (read, refused) = (0, 0)
        for round in 0..<8_000 {
            var text = Array(Self.texts[round % 4].unicodeScalars)
            for _ in 0...random.below(4) where !text.isEmpty {
                let at = random.below(text.count)
                switch random.below(4) {
                case 0: text.remove(at: at)
                case 1: text.insert(contentsOf: Array("{}();:=\"\\u{1}/*-.e9_ vec opt".unicodeScalars).shuffledPart(random.below(20)), at: at)
                case 2: text[at] = Unicode.Scalar(UInt8(random.below(128)))
                default: text += text[at..<min(text.count, at + 30)]
                }
            }
            var damaged = ""
            damaged.unicodeScalars.append(contentsOf: text)
            do throws(CandidText.Failure) {
                if round % 4 == 3 { _ = try CandidText.parseInterface(damaged) } else {
                    let values = try CandidText.parseArguments(damaged)
                    let types = try CandidText.inferredTypes(damaged)
                    if (try? Candid.encode(values, as: types)) != nil { read += 1 }
                }
            } catch { refused += 1 }
        }
        #expect(read > 100 && refused > 3_000, "\(read) \(refused)")
    }

    /// Nesting is refused before it costs a stack.
    @Test(arguments: ["opt ", "vec {", "record { a = ", "variant { x = ", "("]) func deepTexts(opening: String) {
        let text = "(" + String(repeating: opening, count: 100_000) + "1)"
        #expect(throws: CandidText.Failure.self) { try CandidText.parseArguments(text) }
    }
}

extension Array {
    fileprivate func shuffledPart(_ start: Int) -> ArraySlice<Element> { self[Swift.min(start, count)..<Swift.min(count, start + 8)] }
}
