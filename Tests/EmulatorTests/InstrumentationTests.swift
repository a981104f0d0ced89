import Emulator
import Foundation
import InternetComputer
import Testing

/// Rules of the metering and of validation on modules that are not in the replica's benchmark.
@Suite struct InstrumentationTests {
    static func meter() throws -> Meter { try Meter(configuration: SubnetConfiguration(subnetID: SubnetHarness.subnetID)) }

    /// A module with one page of memory and one function `canister_update test` of these operators.
    static func module(_ code: [UInt8], locals: [UInt8] = [0], exports: [UInt8]? = nil) -> [UInt8] {
        let body = locals + code + [0x0b]
        let name = Array("canister_update test".utf8)
        let export = exports ?? [1, UInt8(name.count)] + name + [0, 0]
        func section(_ id: UInt8, _ content: [UInt8]) -> [UInt8] { [id, UInt8(content.count)] + content }
        return [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] + section(1, [1, 0x60, 0, 0]) + section(3, [1, 0])
            + section(4, [1, 0x70, 0, 4]) + section(5, [1, 0, 1]) + section(7, export)
            + section(10, [1, UInt8(body.count)] + body)
    }

    /// Operators and what one invocation costs: 1 for the function, the operators, 1,000 for each changed page.
    static let costs: [(String, [UInt8], UInt64)] = [
        ("nothing", [], 1),
        ("block and nop", [0x02, 0x40, 0x01, 0x0b], 2),
        ("f64.sqrt", [0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x9f, 0x1a], 11),
        ("i32.div_u", [0x41, 1, 0x41, 1, 0x6e, 0x1a], 14),
        ("memory.size", [0x3f, 0, 0x1a], 22),
        ("memory.grow by nothing", [0x41, 0, 0x40, 0, 0x1a], 303),
        ("memory.grow by one page", [0x41, 1, 0x40, 0, 0x1a], 303),
        ("store of zero changes no page", [0x41, 0, 0x41, 0, 0x36, 2, 0], 4),
        ("store changes a page", [0x41, 0, 0x41, 1, 0x36, 2, 0], 1004),
        ("memory.fill of 8192 zeros", [0x41, 0, 0x41, 0, 0x41, 0x80, 0xc0, 0, 0xfc, 11, 0], 1 + 3 + 100 + 8192),
        ("memory.fill of 8192 ones", [0x41, 0, 0x41, 1, 0x41, 0x80, 0xc0, 0, 0xfc, 11, 0], 1 + 3 + 100 + 8192 + 2000),
        (
            "i32x4.dot_i16x8_s",
            [0xfd, 12] + [UInt8](repeating: 0, count: 16) + [0xfd, 12] + [UInt8](repeating: 0, count: 16)
                + [0xfd, 0xba, 1, 0x1a], 5
        ),
        (
            "i64x2.mul",
            [0xfd, 12] + [UInt8](repeating: 0, count: 16) + [0xfd, 12] + [UInt8](repeating: 0, count: 16)
                + [0xfd, 0xd5, 1, 0x1a], 8
        ),
        ("if not taken", [0x41, 0, 0x04, 0x40, 0x01, 0x01, 0x0b], 4),
        ("if taken", [0x41, 1, 0x04, 0x40, 0x01, 0x01, 0x0b], 6),
    ]

    @Test(arguments: costs) func operatorsCost(name: String, code: [UInt8], expected: UInt64) throws {
        let report = try Self.meter().measure(Self.module(code), export: "canister_update test")
        #expect(report.instructions == expected, "\(name)")
    }

    /// A trap pays for its whole run, and changes no page.
    @Test func trapPaysForItsRun() throws {
        let report = try Self.meter().measure(
            Self.module([0x41, 0, 0x41, 1, 0x36, 2, 0, 0x00]), export: "canister_update test")
        #expect(report.instructions == 5)
        #expect(report.dirtyPages == 0)
        #expect(report.rejection?.error == .canisterTrapped)
    }

    /// Two nested loops over locals of every number type, whose values are the reply:
    /// `a = 31 a + i`, `b = b / 2 + i`, `c = c / 4 + i` and lanes `v += i`, 40 times over i < 50.
    static let loopsOverEveryType = """
        AGFzbQEAAAABCQJgAn9/AGAAAAItAgNpYzAVbXNnX3JlcGx5X2RhdGFfYXBwZW5kAAADaWMwCW1zZ19yZXBseQABAwIBAQUDAQAB
        BxgBFGNhbmlzdGVyX3VwZGF0ZSB0ZXN0AAIKtAEBsQEGAX8BfgF9AXwBewJ/QwAAgD8hAkQAAAAAAADwPyEDA0BBACEAA0AgAUIf
        fiAArXwhASACQwAAAD+UIACykiECIANEAAAAAAAA0D+iIAC3oCEDIAQgAP0R/a4BIQQgAEEBaiIGIQAgBkEySQ0ACyAFQQFqIQUg
        BUEoSQ0AC0EAIAE3AwBBCCACOAIAQRAgAzkDAEEgIAT9CwQAQTAgBTYCAEE0IAA2AgBBAEE4EAAQAQs=
        """

    /// A slice may end at any loop head: the loop's values are the same after it, and so is the count.
    /// (Slices shorter than the reply, which costs 3,300 at once, would be overrun.)
    @Test(arguments: [3_401, 3_437, 3_501, 4_001, 60_000] as [UInt64])
    func loopsKeepTheirValuesAcrossSlices(slice: UInt64) throws {
        let encoded = Self.loopsOverEveryType.filter { !$0.isWhitespace }
        let module = [UInt8](try #require(Data(base64Encoded: encoded)))
        var configuration = SubnetConfiguration(subnetID: SubnetHarness.subnetID)
        let whole = try Meter(configuration: configuration).measure(module, export: "canister_update test")
        configuration.limits.sliceInstructions = slice
        let sliced = try Meter(configuration: configuration).measure(module, export: "canister_update test")
        let reply = try #require(whole.reply)
        var (a, b, c) = (UInt64(0), Float(1), 1.0)
        for _ in 0..<40 {
            for i in 0..<50 { (a, b, c) = (a &* 31 &+ UInt64(i), b * 0.5 + Float(i), c * 0.25 + Double(i)) }
        }
        func number<T>(_ offset: Int, _: T.Type) -> T {
            reply.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
        }
        #expect(number(0, UInt64.self) == a)
        #expect(number(8, Float.self) == b)
        #expect(number(16, Double.self) == c)
        #expect((0..<4).map { number(32 + 4 * $0, UInt32.self) } == [49_000, 49_000, 49_000, 49_000])
        #expect(number(48, UInt32.self) == 40)
        #expect(number(52, UInt32.self) == 50)
        #expect(sliced.reply == reply)
        #expect(sliced.instructions == whole.instructions)
        #expect(whole.slices == 1)
        #expect(UInt64(sliced.slices) > 85_000 / (slice + 100))
    }

    static let refused: [(String, [UInt8], String)] = [
        ("table.set", [0x41, 0, 0xd0, 0x70, 0x26, 0], "tables"),
        ("relaxed SIMD", [0xfd, 0x80, 2], "relaxed SIMD"),
        ("unknown operator", [0xff], "illegal opcode"),
        ("type error", [0x41, 0], "values remaining"),
        ("write to a global beyond the module's", [0x42, 0, 0x24, 0], "global"),
        ("call of a function beyond the module's", [0x10, 9], "function"),
    ]

    @Test(arguments: refused) func modulesAreRefused(name: String, code: [UInt8], reason: String) throws {
        do {
            _ = try Self.meter().measure(Self.module(code), export: "canister_update test")
            Issue.record("\(name) was accepted")
        } catch let error as WasmError {
            #expect(error.reason.contains(reason), "\(name): \(error)")
        }
    }

    static let exports: [(String, String)] = [
        ("canister_update  two spaces", ""), ("canister_nonsense", "not a known kind"),
        ("__persistent_mutable_global_0", "reserved"), ("canister counter_instructions", "reserved"),
    ]

    @Test(arguments: exports) func exportNames(name: String, reason: String) throws {
        let bytes = Array(name.utf8)
        let module = Self.module([], exports: [1, UInt8(bytes.count)] + bytes + [0, 0])
        do {
            _ = try Self.meter().measure(module, export: name)
            #expect(reason.isEmpty, "\(name) was accepted")
        } catch let error as WasmError {
            #expect(!reason.isEmpty && error.reason.contains(reason), "\(name): \(error)")
        }
    }

    /// A memory and a table imported from `env` are the canister's own.
    @Test func importedMemoryAndTable() throws {
        func section(_ id: UInt8, _ content: [UInt8]) -> [UInt8] { [id, UInt8(content.count)] + content }
        let env: [UInt8] = [3] + Array("env".utf8)
        let name = Array("canister_update test".utf8)
        let body: [UInt8] = [0, 0x41, 0, 0x41, 1, 0x36, 2, 0, 0x0b]
        func module(_ imports: [UInt8]) -> [UInt8] {
            [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] + section(1, [1, 0x60, 0, 0]) + section(2, imports) + section(3, [1, 0])
                + section(7, [1, UInt8(name.count)] + name + [0, 0]) + section(10, [1, UInt8(body.count)] + body)
        }
        let both = module([2] + env + [1, 0x6d, 2, 0, 1] + env + [1, 0x74, 1, 0x70, 0, 4])
        let report = try Self.meter().measure(both, export: "canister_update test")
        #expect(report.instructions == 1004)
        #expect(report.dirtyPages == 1)
        #expect(throws: WasmError.self) {
            try Self.meter().measure(module([1, 1, 0x78, 1, 0x6d, 2, 0, 1]), export: "canister_update test")
        }
        #expect(throws: WasmError.self) {
            try Self.meter().measure(module([1] + env + [1, 0x67, 3, 0x7f, 0]), export: "canister_update test")
        }
    }

    /// Modules with random damage: each ends in a result or a typed error within the time limit.
    @Test(.timeLimit(.minutes(1))) func randomDamageEndsInTime() throws {
        var configuration = SubnetConfiguration(subnetID: SubnetHarness.subnetID)
        configuration.limits.queryInstructions = 100_000
        configuration.limits.installInstructions = 100_000
        let meter = try Meter(configuration: configuration)
        var random = Seeded(state: 0x5eed)
        var (refused, ran) = (0, 0)
        for round in 0..<3_000 {
            var bytes = [TestModules.caller, TestModules.consistent, TestModules.upgraded][round % 3]
            for _ in 0...Int(random.next() % 4) {
                let at = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(contentsOf: [0xff, 0xff, 0xff, 0xff, 0x0f].prefix(Int(random.next() % 6)), at: at)
                default: bytes.removeLast(min(bytes.count - 1, Int(random.next() % 40)))
                }
            }
            do {
                _ = try meter.measure(bytes, export: "canister_query get", mode: .query)
                ran += 1
            } catch is WasmError {
                refused += 1
            } catch is Rejection {
                ran += 1
            }
        }
        #expect(refused > 1_000)
        #expect(ran > 10)
    }

    struct Seeded {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    /// Every truncation and a flipped byte at every offset end in a result or a typed error, never in a crash.
    @Test func damagedModulesAreHandled() throws {
        let meter = try Self.meter()
        let whole = TestModules.upgraded
        var refused = 0
        for length in 0..<whole.count {
            do { _ = try meter.measure(Array(whole.prefix(length)), export: "canister_query get", mode: .query) } catch is WasmError { refused += 1 }
        }
        #expect(refused > whole.count / 2)
        for offset in 0..<whole.count {
            var damaged = whole
            damaged[offset] ^= 0x41
            do { _ = try meter.measure(damaged, export: "canister_query get", mode: .query) } catch is WasmError {
                refused += 1
            } catch is Rejection {
                // Valid still, but its start function or init traps.
            }
        }
        #expect(refused > whole.count)
    }
}
