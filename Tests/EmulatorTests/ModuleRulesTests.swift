import Emulator
import Testing

/// One module for each rule of validation that breaks it and nothing else, beside the largest that keeps it.
@Suite struct ModuleRulesTests {
    static func leb(_ value: Int) -> [UInt8] {
        value < 128 ? [UInt8(value)] : [UInt8(value & 127 | 128)] + leb(value >> 7)
    }
    static func text(_ text: String) -> [UInt8] { leb(text.utf8.count) + Array(text.utf8) }
    static func section(_ id: UInt8, _ content: [UInt8]) -> [UInt8] { [id] + leb(content.count) + content }
    static func vector(_ items: [[UInt8]]) -> [UInt8] { leb(items.count) + items.flatMap(\.self) }
    static func custom(_ name: String, _ content: [UInt8]) -> [UInt8] { section(0, text(name) + content) }

    /// A module by its sections; one type () → (), functions of it with the given bodies.
    struct Module {
        var imports: [[UInt8]] = []
        var bodies: [[UInt8]] = [[0, 0x0b]]
        var tables: [[UInt8]] = []
        var memories: [[UInt8]] = []
        var globals: [[UInt8]] = []
        var exports: [String] = ["canister_update test"]
        var data: [[UInt8]] = []
        var after: [UInt8] = []

        var bytes: [UInt8] {
            typealias R = ModuleRulesTests
            var out: [UInt8] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] + R.section(1, [2, 0x60, 0, 0, 0x60, 0, 1, 0x7f])
            if !imports.isEmpty { out += R.section(2, R.vector(imports)) }
            out += R.section(3, R.vector(bodies.map { _ in [0] }))
            if !tables.isEmpty { out += R.section(4, R.vector(tables)) }
            if !memories.isEmpty { out += R.section(5, R.vector(memories)) }
            if !globals.isEmpty { out += R.section(6, R.vector(globals)) }
            let functions = imports.filter { $0[$0.count - 2] == 0 }.count
            out += R.section(7, R.vector(exports.map { R.text($0) + [0] + R.leb(functions) }))
            out += R.section(10, R.vector(bodies.map { R.leb($0.count) + $0 }))
            if !data.isEmpty { out += R.section(11, R.vector(data)) }
            return out + after
        }
    }

    static func body(_ code: [UInt8]) -> [UInt8] { [0] + code + [0x0b] }
    static func repeated(_ code: [UInt8], _ count: Int) -> [UInt8] { Array(repeatElement(code, count: count).joined()) }
    static func function(_ name: String, from module: String = "ic0", type: UInt8 = 0) -> [UInt8] {
        text(module) + text(name) + [0, type]
    }
    static let i32: [UInt8] = [0x7f, 1, 0x41, 0, 0x0b]
    static func segment(at address: UInt8, _ count: Int) -> [UInt8] {
        [0, 0x41, address, 0x0b] + leb(count) + [UInt8](repeating: 1, count: count)
    }
    static func sections(_ count: Int, bytes: Int = 0, kind: String = "public") -> [UInt8] {
        (0..<count).flatMap { custom("icp:\(kind) n\($0)", [UInt8](repeating: 0, count: bytes)) }
    }
    static func methods(_ count: Int, length: Int = 8) -> [String] {
        (0..<count).map { "canister_query " + String(String("\(10_000_000 + $0)".reversed()).prefix(length)) }
    }
    /// A name section with one function name of so many bytes.
    static func nameSection(_ count: Int) -> [UInt8] {
        let names = [1, 0] + leb(count) + [UInt8](repeating: 0x61, count: count)
        return custom("name", [1] + leb(names.count) + names)
    }

    /// What is broken, the module that breaks it, part of the reason, the module that just keeps it.
    static let rules: [(String, Module, String, Module?)] = [
        ("functions", Module(bodies: .init(repeating: [0, 0x0b], count: 50_001)), "50001 functions", Module(bodies: .init(repeating: [0, 0x0b], count: 50_000))),
        ("globals", Module(globals: .init(repeating: i32, count: 1_001)), "1001 globals", Module(globals: .init(repeating: i32, count: 1_000))),
        ("reference globals", Module(globals: [[0x70, 1, 0xd0, 0x70, 0x0b]]), "globals must be", nil),
        ("operators of a function", Module(bodies: [body(repeated([0x01], 1_000_001))]), "1000000 operators", Module(bodies: [body(repeated([0x01], 900_000))])),
        ("complexity of a function", Module(bodies: [body(repeated([0x02, 0x40, 0x0b], 25_000))]), "too complex", Module(bodies: [body(repeated([0x02, 0x40, 0x0b], 15_000))])),
        ("code section", Module(bodies: .init(repeating: body(repeated([0x01], 600_000)), count: 18)), "code section", nil),
        ("two memories", Module(memories: [[0, 1], [0, 1]]), "memor", Module(memories: [[0, 1]])),
        ("initial memory over 4 GiB", Module(memories: [[0] + leb(65_537)]), "initial memory", Module(memories: [[0] + leb(65_536)])),
        ("two tables", Module(tables: [[0x70, 0, 1], [0x70, 0, 1]]), "one table", Module(tables: [[0x70, 0, 1]])),
        ("large table", Module(tables: [[0x70, 0] + leb(1_000_001)]), "1000001 elements", Module(tables: [[0x70, 0] + leb(1_000_000)])),
        ("import of another module", Module(imports: [function("time", from: "env")]), "only functions of ic0", Module(imports: [function("msg_reply")])),
        ("import of an unknown function", Module(imports: [function("nonsense")]), "unknown system function", nil),
        ("import with another signature", Module(imports: [function("msg_reply", type: 1)]), "wrong signature", nil),
        ("import of a global", Module(imports: [text("ic0") + text("g") + [3, 0x7f, 0]]), "can be imported", nil),
        ("import of a tag", Module(imports: [text("ic0") + text("t") + [4, 0, 0]]), "can be imported", nil),
        ("one method in two classes", Module(exports: ["canister_query a", "canister_update a"]), "more than once", Module(exports: ["canister_query a", "canister_update b"])),
        ("unknown canister function", Module(exports: ["canister_foo"]), "not a known kind", Module(exports: ["canister_heartbeat", "foo"])),
        ("a method class without a method", Module(exports: ["canister_update"]), "not a known kind", nil),
        ("reserved export", Module(exports: ["canister_start"]), "reserved", nil),
        ("1,001 methods", Module(exports: methods(1_001)), "1001 public methods", Module(exports: methods(1_000))),
        ("names of methods", Module(exports: (0..<3).map { "canister_query \($0)" + String(repeating: "x", count: 7_000) }), "names of public methods", nil),
        ("17 icp sections", Module(after: sections(17)), "17 icp: sections", Module(after: sections(16))),
        ("bytes of icp sections", Module(after: sections(2, bytes: 1 << 19)), "icp: sections of", Module(after: sections(2, bytes: (1 << 19) - 2))),
        ("icp section of another kind", Module(after: sections(1, kind: "secret")), "public or private", Module(after: sections(1, kind: "private"))),
        ("icp section public and private", Module(after: sections(1) + sections(1, kind: "private")), "two custom sections", nil),
        ("long function name", Module(after: nameSection((1 << 20) + 1)), "function name", Module(after: nameSection(1 << 20))),
        ("data outside of the memory", Module(memories: [[0, 1]], data: [segment(at: 1, 65_536)]), "data segment", Module(memories: [[0, 1]], data: [segment(at: 0, 65_536)])),
        ("table.grow", Module(bodies: [body([0xd0, 0x70, 0x41, 1, 0xfc, 15, 0, 0x1a])], tables: [[0x70, 0, 1]]), "tables", nil),
        ("table.fill", Module(bodies: [body([0x41, 0, 0xd0, 0x70, 0x41, 0, 0xfc, 17, 0])], tables: [[0x70, 0, 1]]), "tables", nil),
        ("relaxed SIMD", Module(bodies: [body([0xfd, 0x80, 2])]), "relaxed SIMD", nil),
        ("threads", Module(bodies: [body([0xfe, 0x03, 0])]), "threads", nil),
    ]

    @Test(arguments: rules.indices) func isEnforced(index: Int) throws {
        let (name, broken, reason, kept) = Self.rules[index]
        let meter = try InstrumentationTests.meter()
        do {
            _ = try meter.measure(broken.bytes, export: broken.exports[0])
            Issue.record("\(name) was accepted")
        } catch let error as WasmError {
            #expect(error.reason.contains(reason), "\(name): \(error)")
        }
        if let kept {
            #expect(throws: Never.self, "\(name)") { try meter.measure(kept.bytes, export: kept.exports[0]) }
        }
    }
}
