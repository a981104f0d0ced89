import Candid
import Testing

@Suite struct TextTests {
    @Test(arguments: [
        ("()", "()"), ("(1)", "(1)"), ("( -1 : int8 , )", "(-1 : int8)"), ("(0x_ff : nat)", "(255 : nat)"),
        ("(1_000)", "(1000)"), ("(1.5e1)", "(15.0 : float64)"), ("(true, null)", "(true, null)"),
        ("(\"a\\u{2603}\\t\\\"\")", "(\"a☃\\t\\\"\")"), ("(blob \"\\00a\\ff\")", "(blob \"\\00a\\ff\")"),
        ("(vec { 1 : nat8; 2 : nat8 })", "(blob \"\\01\\02\")"), ("(vec {})", "(vec {})"),
        ("(record { 1; \"x\" })", "(record { 1; \"x\" })"), ("(record { 5 = true })", "(record { 5 = true })"),
        ("(variant { 3 = opt 1 })", "(variant { 3 = opt 1 })"), ("(opt (3 : nat8))", "(opt (3 : nat8))"),
        ("(principal \"aaaaa-aa\")", "(principal \"aaaaa-aa\")"),
        ("(func \"w7x7r-cok77-xa\".go)", "(func \"w7x7r-cok77-xa\".\"go\")"),
        ("(/* a /* nested */ */ 1 // end\n)", "(1)"),
    ])
    func valuesPrintAsParsed(source: String, printed: String) throws {
        let values = try CandidText.parseArguments(source)
        #expect(CandidText.print(values) == printed)
    }

    @Test func fieldNames() throws {
        let interface = try CandidText.parseInterface("service : { f : (record { size : nat64; ok : bool }) -> () }")
        let values = try CandidText.parseArguments(
            "(record { ok = true; size = 3 })", as: try #require(interface.method("f")).arguments)
        #expect(CandidText.print(values) { interface.fieldNames[$0] } == "(record { ok = true; size = 3 : nat64 })")
    }

    @Test(arguments: [
        ("(", 1), ("(1", 2), ("(1) 2", 4), ("(\"abc)", 1), ("(\"\\q\")", 2), ("(record { 1 = 2; 1 = 3 })", 24),
        ("(principal \"aaaaa-ab\")", 11), ("(foo)", 4), ("(\"\\u{d800}\")", 2), ("(blob 3)", 6), ("(1 : nope x)", 10),
    ])
    func faultsNameTheirPlace(source: String, offset: Int) throws {
        let failure = #expect(throws: CandidText.Failure.self) { try CandidText.parseArguments(source) }
        #expect(failure?.offset == offset)
    }

    @Test(arguments: [
        ("(256)", CandidType.nat8), ("(-1)", .nat), ("(1.5)", .int), ("(\"x\")", .bool), ("(1, 2)", .nat),
        ("()", .nat), ("(record {})", .record(["a": .nat])), ("(variant { b })", .variant(["a": .null])),
    ])
    func valuesOfAnotherTypeAreRefused(source: String, type: CandidType) {
        #expect(throws: CandidText.Failure.self) { try CandidText.parseArguments(source, as: [type]) }
    }

    @Test(arguments: [
        "type A = ", "type A = B;", "type A = nat; type A = nat;", "service : { f : () }", "record {}",
        "service : { f : (record { a : nat; a : nat }) -> () }",
    ])
    func brokenInterfacesAreRefused(source: String) {
        #expect(throws: CandidText.Failure.self) { try CandidText.parseInterface(source) }
    }
}
