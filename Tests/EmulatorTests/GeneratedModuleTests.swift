import Emulator
import InternetComputer
import Testing

/// The rules of metering on modules that nobody wrote: programs with blocks, branches, loops and bulk operations,
/// executed by a model beside the test that adds up the prices of what runs.
@Suite struct GeneratedModuleTests {
    /// A piece of a program that leaves the stack as it found it.
    indirect enum Piece {
        /// Operators without control flow, and what they cost.
        case straight([UInt8], UInt64)
        case block([Piece])
        /// A block that is left at its end of the first part; the rest never runs.
        case left([Piece], dead: [Piece])
        case condition(Bool, then: [Piece], otherwise: [Piece]?)
        case loop(count: Int, local: UInt8, [Piece])
        case call
    }

    /// Price of the callee, and its body: one addition of its own.
    static let callee: [UInt8] = [0, 0x41, 1, 0x41, 2, 0x6a, 0x1a, 0x0b]
    static let calleeCost: UInt64 = 1 + 4

    /// Operators that need nothing and leave nothing, with prices of the replica's table.
    static let straight: [([UInt8], UInt64)] = [
        ([0x01], 1), ([0x41, 7, 0x1a], 2), ([0x41, 9, 0x41, 2, 0x6e, 0x1a], 1 + 1 + 10 + 1),
        ([0x42, 9, 0x42, 2, 0x7e, 0x1a], 4), ([0x43, 0, 0, 0, 0, 0x91, 0x1a], 1 + 5 + 1),
        ([0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x9f, 0x1a], 1 + 8 + 1), ([0x3f, 0, 0x1a], 20 + 1),
        ([0x41, 0, 0x28, 2, 0, 0x1a], 3), ([0x41, 0, 0x41, 0, 0x36, 2, 0], 3), ([0x20, 0, 0x21, 0], 2),
        ([0x23, 0, 0x24, 0], 4), ([0x41, 3, 0xb2, 0x1a], 1 + 3 + 1), ([0x41, 3, 0xb3, 0x1a], 1 + 16 + 1),
        ([0xd0, 0x70, 0xd1, 0x1a], 1 + 5 + 1), ([0x41, 1, 0x41, 2, 0x41, 0, 0x1b, 0x1a], 5),
        // memory.fill of 5 zeros, memory.copy of 3 bytes on to themselves.
        ([0x41, 0, 0x41, 0, 0x41, 5, 0xfc, 11, 0], 3 + 100 + 5), ([0x41, 0, 0x41, 0, 0x41, 3, 0xfc, 10, 0, 0], 3 + 100 + 3),
        ([0xfd, 12] + [UInt8](repeating: 0, count: 16) + [0x1a], 2),
    ]

    struct Generator {
        var random: InstrumentationTests.Seeded
        mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

        mutating func pieces(depth: Int) -> [Piece] {
            (0..<below(4)).map { _ in piece(depth: depth) }
        }

        mutating func piece(depth: Int) -> Piece {
            if depth == 0 || below(3) == 0 {
                let (code, cost) = GeneratedModuleTests.straight[below(GeneratedModuleTests.straight.count)]
                return .straight(code, cost)
            }
            switch below(6) {
            case 0: return .block(pieces(depth: depth - 1))
            case 1: return .left(pieces(depth: depth - 1), dead: pieces(depth: depth - 1))
            case 2: return .condition(below(2) == 0, then: pieces(depth: depth - 1), otherwise: nil)
            case 3:
                return .condition(below(2) == 0, then: pieces(depth: depth - 1), otherwise: pieces(depth: depth - 1))
            case 4: return .loop(count: 1 + below(5), local: UInt8(depth), pieces(depth: depth - 1))
            default: return .call
            }
        }
    }

    static func code(_ pieces: [Piece]) -> [UInt8] {
        pieces.flatMap { piece -> [UInt8] in
            switch piece {
            case .straight(let code, _): code
            case .block(let inner): [0x02, 0x40] + code(inner) + [0x0b]
            case .left(let inner, let dead): [0x02, 0x40] + code(inner) + [0x0c, 0] + code(dead) + [0x0b]
            case .condition(let holds, let then, let otherwise):
                [0x41, holds ? 1 : 0, 0x04, 0x40] + code(then) + (otherwise.map { [0x05] + code($0) } ?? []) + [0x0b]
            case .loop(let count, let local, let inner):
                // local := count; loop { inner; local := local - 1; br_if local != 0 }
                [0x41, UInt8(count), 0x21, local, 0x03, 0x40] + code(inner)
                    + [0x20, local, 0x41, 1, 0x6b, 0x22, local, 0x0d, 0, 0x0b]
            case .call: [0x10, 1]
            }
        }
    }

    /// What running the pieces costs.
    static func cost(_ pieces: [Piece]) -> UInt64 {
        pieces.reduce(0) { sum, piece in
            let own: UInt64 =
                switch piece {
                case .straight(_, let cost): cost
                case .block(let inner): cost(inner)
                case .left(let inner, _): cost(inner) + 2
                case .condition(let holds, let then, let otherwise): 1 + 2 + (holds ? cost(then) : cost(otherwise ?? []))
                // const, local.set once; get, const, sub, tee, br_if in every round. A loop's head costs nothing.
                case .loop(let count, _, let inner): 2 + UInt64(count) * (cost(inner) + 6)
                case .call: 5 + calleeCost
                }
            return sum + own
        }
    }

    static func module(_ pieces: [Piece]) -> [UInt8] {
        func leb(_ value: Int) -> [UInt8] {
            value < 128 ? [UInt8(value)] : [UInt8(value & 127 | 128)] + leb(value >> 7)
        }
        func section(_ id: UInt8, _ content: [UInt8]) -> [UInt8] { [id] + leb(content.count) + content }
        let name = Array("canister_update test".utf8)
        let body = [1, 6, 0x7f] + code(pieces) + [0x0b]
        return [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] + section(1, [1, 0x60, 0, 0]) + section(3, [2, 0, 0])
            + section(4, [1, 0x70, 0, 4]) + section(5, [1, 0, 1]) + section(6, [1, 0x7f, 1, 0x41, 0, 0x0b])
            + section(7, [1, UInt8(name.count)] + name + [0, 0])
            + section(10, [2] + leb(body.count) + body + leb(callee.count) + callee)
    }

    @Test(.timeLimit(.minutes(1))) func countsFollowTheRules() throws {
        let meter = try InstrumentationTests.meter()
        var generator = Generator(random: .init(state: 0xc057))
        var longest: UInt64 = 0
        for round in 0..<400 {
            let pieces = (0..<1 + generator.below(8)).map { _ in generator.piece(depth: 1 + round % 5) }
            let expected = 1 + Self.cost(pieces)
            let report = try meter.measure(Self.module(pieces), export: "canister_update test")
            #expect(report.rejection?.error == .canisterDidNotReply || report.rejection == nil)
            #expect(report.instructions == expected, "round \(round): \(pieces)")
            longest = max(longest, expected)
        }
        #expect(longest > 2_000)
    }
}
