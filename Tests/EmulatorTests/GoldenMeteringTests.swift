import Candid
import Emulator
import InternetComputer
import Testing

/// The counts that the replica's own benchmark asserts (reference 1.8), both memory sizes.
@Suite(.serialized) struct GoldenMeteringTests {
    typealias Call = BenchmarkModule.Call
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var m32: UInt64?
        var m64: UInt64?
        var body: @Sendable () -> [Call] = { [] }
        var prologue: @Sendable () -> [Call] = { [] }
        var loop = true
        var operators: [UInt8] = []
        var data: [UInt8] = []
        var testDescription: String { name }
    }

    static func address(_ name: String) -> @Sendable () -> [Call] { { [Call(name: name, result: .address)] } }
    static func copy(_ name: String, _ size: Int64) -> @Sendable () -> [Call] {
        { [Call(name: name, arguments: [.address(0), .address(0), .address(size)])] }
    }
    static let callNew: @Sendable () -> [Call] = {
        [
            Call(
                name: "call_new",
                arguments: [
                    .address(0), .address(10), .address(100), .address(18), .address(11), .address(22), .address(33),
                    .address(44),
                ])
        ]
    }
    static func afterCallNew(_ name: String, _ arguments: [BenchmarkModule.Value], _ result: BenchmarkModule.Kind? = nil)
        -> @Sendable () -> [Call]
    {
        { callNew() + [Call(name: name, arguments: arguments, result: result)] }
    }
    static func one(_ name: String, _ arguments: [BenchmarkModule.Value], _ result: BenchmarkModule.Kind? = nil)
        -> @Sendable () -> [Call]
    {
        { [Call(name: name, arguments: arguments, result: result)] }
    }
    /// The Candid record that cost_http_request_v2 takes.
    static let outcall: [UInt8] = {
        let names: [StaticString] = [
            "request_bytes", "http_roundtrip_time_ms", "raw_response_bytes", "transformed_response_bytes",
            "transform_instructions",
        ]
        let value = CandidRecord(names.map { CandidRecord.Field(id: Candid.hash($0), value: .nat64(1000)) })
        let type = CandidFields(names.map { CandidField($0, .nat64) })
        return (try? Candid.encode([.record(value)], as: [.record(type)])) ?? []
    }()
    static let grow: @Sendable () -> [Call] = {
        [Call(name: "stable64_grow", arguments: [.i64(1)], result: .i64)]
    }

    static let cases: [Case] = [
        Case(name: "constant and drop", m32: 3, m64: 3, loop: false, operators: [0x41, 0, 0x1a]),
        Case(name: "empty loop", m32: 11_000_006, m64: 11_000_006),
        Case(name: "msg_caller_size", m32: 517_000_006, m64: 517_000_006, body: address("msg_caller_size")),
        Case(name: "msg_arg_data_size", m32: 517_000_006, m64: 517_000_006, body: address("msg_arg_data_size")),
        Case(name: "canister_self_size", m32: 517_000_006, m64: 517_000_006, body: address("canister_self_size")),
        Case(name: "time", m32: 517_000_006, m64: 517_000_006, body: one("time", [], .i64)),
        Case(name: "canister_status", m32: 517_000_006, m64: 517_000_006, body: one("canister_status", [], .i32)),
        Case(
            name: "in_replicated_execution", m32: 517_000_006, m64: 517_000_006,
            body: one("in_replicated_execution", [], .i32)),
        Case(
            name: "data_certificate_present", m32: 517_000_006, m64: 517_000_006,
            body: one("data_certificate_present", [], .i32)),
        Case(name: "msg_deadline", m32: 517_000_006, m64: 517_000_006, body: one("msg_deadline", [], .i64)),
        Case(name: "canister_cycle_balance", m32: 517_000_006, body: one("canister_cycle_balance", [], .i64)),
        Case(name: "msg_cycles_available", m32: 517_000_006, body: one("msg_cycles_available", [], .i64)),
        Case(name: "msg_caller_copy", m32: 520_000_006, m64: 520_000_006, body: copy("msg_caller_copy", 1)),
        Case(name: "canister_self_copy", m32: 520_000_006, m64: 520_000_006, body: copy("canister_self_copy", 1)),
        Case(name: "msg_arg_data_copy 1", m32: 520_000_006, m64: 520_000_006, body: copy("msg_arg_data_copy", 1)),
        Case(
            name: "msg_arg_data_copy 1024", m32: 1_543_000_006, m64: 1_543_000_006,
            body: copy("msg_arg_data_copy", 1024)),
        Case(name: "msg_reply", m32: 506, m64: 506, body: one("msg_reply", []), loop: false),
        Case(
            name: "msg_reject", m32: 508, m64: 508, body: one("msg_reject", [.address(0), .address(0)]), loop: false),
        Case(
            name: "msg_reply_data_append 1", m32: 568_000_006, m64: 568_000_006,
            body: one("msg_reply_data_append", [.address(0), .address(1)])),
        Case(
            name: "msg_reply_data_append 2", m32: 618_000_006, m64: 618_000_006,
            body: one("msg_reply_data_append", [.address(0), .address(2)])),
        Case(
            name: "debug_print 1", m32: 170_000_006, m64: 170_000_006,
            body: one("debug_print", [.address(0), .address(1)])),
        Case(
            name: "debug_print 1024", m32: 47_366_018_006, m64: 47_366_018_006,
            body: one("debug_print", [.address(0), .address(1024)])),
        Case(name: "call_new", m32: 1_552_000_006, m64: 1_552_000_006, body: callNew),
        Case(
            name: "call_data_append 1", m32: 2_109_000_006, m64: 2_109_000_006,
            body: afterCallNew("call_data_append", [.address(0), .address(1)])),
        Case(
            name: "call_data_append 1024", m32: 53_259_000_006, m64: 53_259_000_006,
            body: afterCallNew("call_data_append", [.address(0), .address(1024)])),
        Case(name: "call_cycles_add", m32: 2_058_000_006, body: afterCallNew("call_cycles_add", [.i64(100)])),
        Case(
            name: "call_cycles_add128", m32: 2_059_000_006, m64: 2_059_000_006,
            body: afterCallNew("call_cycles_add128", [.i64(0), .i64(100)])),
        Case(
            name: "call_with_best_effort_response", m32: 2_058_000_006, m64: 2_058_000_006,
            body: afterCallNew("call_with_best_effort_response", [.i32(1)])),
        Case(
            name: "call_perform", m32: 6_558_000_006, m64: 6_558_000_006, body: afterCallNew("call_perform", [], .i32)),
        Case(name: "stable_size", m32: 17_000_006, body: one("stable_size", [], .i32)),
        Case(name: "stable64_size", m32: 17_000_006, m64: 17_000_006, body: one("stable64_size", [], .i64)),
        Case(name: "stable_grow", m32: 118_000_006, body: one("stable_grow", [.i32(0)], .i32)),
        Case(name: "stable64_grow", m32: 118_000_006, m64: 118_000_006, body: one("stable64_grow", [.i64(0)], .i64)),
        Case(
            name: "stable_read 1", m32: 40_000_113, body: one("stable_read", [.i32(0), .i32(0), .i32(1)]), prologue: grow),
        Case(
            name: "stable64_read 1", m32: 40_000_113, m64: 40_000_113,
            body: one("stable64_read", [.i64(0), .i64(0), .i64(1)]), prologue: grow),
        Case(
            name: "stable64_read 1024", m32: 1_063_000_113, m64: 1_063_000_113,
            body: one("stable64_read", [.i64(0), .i64(0), .i64(1024)]), prologue: grow),
        Case(
            name: "global_timer_set", m32: 518_000_006, m64: 518_000_006, body: one("global_timer_set", [.i64(0)], .i64)),
        Case(name: "msg_cycles_accept", m32: 518_000_006, body: one("msg_cycles_accept", [.i64(1)], .i64)),
        Case(
            name: "msg_cycles_available128", m32: 517_000_006, m64: 517_000_006,
            body: one("msg_cycles_available128", [.address(0)])),
        Case(
            name: "msg_cycles_accept128", m32: 519_000_006, m64: 519_000_006,
            body: one("msg_cycles_accept128", [.i64(1), .i64(2), .address(3)])),
        Case(
            name: "certified_data_set 1", m32: 519_000_006, m64: 519_000_006,
            body: one("certified_data_set", [.address(0), .address(1)])),
        Case(
            name: "certified_data_set 32", m32: 550_000_006, m64: 550_000_006,
            body: one("certified_data_set", [.address(0), .address(32)])),
        Case(
            name: "cost_create_canister", m32: 517_001_006, m64: 517_004_006,
            body: one("cost_create_canister", [.address(1)])),
        Case(
            name: "cycles_burn128", m32: 519_000_006, m64: 519_000_006,
            body: one("cycles_burn128", [.i64(0), .i64(0), .address(3)])),
        Case(
            name: "mint_cycles128", m32: 19_001_006, m64: 19_004_006,
            body: one("mint_cycles128", [.i64(0), .i64(1), .address(3)])),
        Case(
            name: "cost_http_request_v2", m32: 10_019_001_006, m64: 10_019_004_006,
            body: one("cost_http_request_v2", [.address(100), .address(Int64(outcall.count)), .address(3)]), data: outcall),
        Case(
            name: "cost_sign_with_ecdsa", m32: 523_000_006, m64: 523_000_006,
            body: one("cost_sign_with_ecdsa", [.address(1), .address(2), .i32(3), .address(3)], .i32)),
        Case(
            name: "cost_sign_with_schnorr", m32: 523_000_006, m64: 523_000_006,
            body: one("cost_sign_with_schnorr", [.address(1), .address(2), .i32(3), .address(3)], .i32)),
        Case(
            name: "cost_vetkd_derive_key", m32: 523_000_006, m64: 523_000_006,
            body: one("cost_vetkd_derive_key", [.address(1), .address(2), .i32(3), .address(3)], .i32)),
    ]

    static func meter() throws -> Meter {
        var configuration = SubnetConfiguration(subnetID: SubnetHarness.subnetID)
        // The benchmark runs with a limit above the subnet's.
        configuration.limits.updateInstructions = 1_000_000_000_000
        configuration.cyclesMintingCanister = .canister(configuration.firstCanister)
        return try Meter(configuration: configuration)
    }

    @Test(arguments: cases) func countsEqualTheReplicas(_ example: Case) throws {
        let meter = try Self.meter()
        for (wide, expected) in [(false, example.m32), (true, example.m64)] {
            guard let expected else { continue }
            let module = BenchmarkModule(
                wide: wide, loop: example.loop, prologue: example.prologue(), body: example.body(),
                operators: example.operators, data: example.data)
            let report = try meter.measure(
                module.bytes, export: "canister_update test", argument: [UInt8](repeating: 0, count: 2048),
                caller: try Principal(bytes: [0, 1]))
            #expect(report.instructions == expected, "\(wide ? "64" : "32")-bit: \(String(describing: report.rejection))")
        }
    }

    @Test func slicesDoNotChangeCounts() throws {
        var configuration = SubnetConfiguration(subnetID: SubnetHarness.subnetID)
        configuration.limits.sliceInstructions = 10_000
        let sliced = try Meter(configuration: configuration)
        let module = BenchmarkModule(wide: false, body: [Call(name: "time", result: .i64)]).bytes
        let report = try sliced.measure(module, export: "canister_update test")
        #expect(report.instructions == 517_000_006)
        #expect(report.slices > 50_000)
    }
}
