import Candid
import Foundation
import Testing

/// Where the official suite lies: $DEAI_SHARED or ../shared beside the checkout.
private let suite: URL? = {
    let checkout = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    var roots: [URL] = []
    if let shared = ProcessInfo.processInfo.environment["DEAI_SHARED"] {
        roots.append(URL(fileURLWithPath: shared))
    }
    roots.append(checkout.appendingPathComponent("../shared"))
    roots.append(checkout.appendingPathComponent("../../shared"))
    return roots.map { $0.appendingPathComponent("conformance/candid") }
        .first { FileManager.default.fileExists(atPath: $0.path) }
}()

/// One `assert` of the suite.
private struct Assertion {
    let input: Input
    let relation: String
    let other: Input?
    let types: String
    let note: String

    enum Input {
        case text(String)
        case blob([UInt8])
    }
}

@Suite struct ConformanceTests {
    /// Every assertion of a file holds. The counts guard against a scanner that misses some.
    @Test(
        .enabled(if: suite != nil, "the official Candid suite is not there: set DEAI_SHARED to run it"),
        arguments: [
            ("construct", 164), ("overshoot", 10), ("prim", 168), ("reference", 50), ("spacebomb", 17),
            ("subtypes", 58),
        ])
    func official(name: String, count: Int) throws {
        let file = try #require(suite).appendingPathComponent("\(name).test.did")
        var scanner = SuiteScanner(try String(contentsOf: file, encoding: .utf8))
        let (definitions, assertions) = scanner.scan()
        #expect(assertions.count == count)
        for assertion in assertions {
            #expect(try holds(assertion, definitions), "\(name): \(assertion.note)")
        }
    }

    private func holds(_ assertion: Assertion, _ definitions: String) throws -> Bool {
        let interface = try CandidText.parseInterface(
            definitions + "\nservice : { f : " + assertion.types + " -> () }")
        let types = try #require(interface.method("f")).arguments
        func values(_ input: Assertion.Input) -> [CandidValue]? {
            switch input {
            case .text(let text):
                try? CandidText.parseArguments(text, as: types, definitions: interface.definitions)
            case .blob(let bytes): try? Candid.decode(bytes, as: types, definitions: interface.definitions)
            }
        }
        let first = values(assertion.input)
        switch assertion.relation {
        case ":": return first != nil
        case "!:": return first == nil
        case "==": return first != nil && first == assertion.other.flatMap(values)
        default:
            let second = assertion.other.flatMap(values)
            return first != nil && second != nil && first != second
        }
    }
}

/// Cuts a suite file into type definitions and assertions.
private struct SuiteScanner {
    private var rest: Substring

    init(_ text: String) {
        rest = text[...]
    }

    mutating func scan() -> (definitions: String, assertions: [Assertion]) {
        var definitions = ""
        var assertions: [Assertion] = []
        while skipSpace(), !rest.isEmpty {
            if rest.hasPrefix("assert") {
                rest = rest.dropFirst(6)
                assertions.append(assertion())
            } else {
                definitions += statement() + ";\n"
            }
        }
        return (definitions, assertions)
    }

    /// Comments and white space.
    private mutating func skipSpace() -> Bool {
        while let first = rest.first {
            if first.isWhitespace {
                rest = rest.dropFirst()
            } else if rest.hasPrefix("//") {
                rest = rest.drop { !$0.isNewline }
            } else if rest.hasPrefix("/*") {
                rest = rest.range(of: "*/").map { rest[$0.upperBound...] } ?? ""
            } else {
                break
            }
        }
        return true
    }

    private mutating func assertion() -> Assertion {
        let first = input()
        _ = skipSpace()
        let relation = rest.prefix { "=!:".contains($0) }
        rest = rest.dropFirst(relation.count)
        var other: Assertion.Input?
        if relation == "==" || relation == "!=" {
            other = input()
            _ = skipSpace()
            rest = rest.dropFirst()
        }
        let statement = statement()
        let types = statement.matches(of: /\)\s+"/).last.map { statement[...$0.range.lowerBound] }
        return Assertion(
            input: first, relation: String(relation), other: other, types: String(types ?? statement[...]),
            note: String(statement.dropFirst(types?.count ?? 0)))
    }

    /// Everything up to the semicolon that ends a line (but for a comment after it).
    private mutating func statement() -> String {
        var text = ""
        while let character = rest.first {
            rest = rest.dropFirst()
            let line = rest.prefix { !$0.isNewline }.drop { $0.isWhitespace }
            if character == ";", line.isEmpty || line.hasPrefix("//") { break }
            text.append(character)
        }
        return text
    }

    private mutating func input() -> Assertion.Input {
        _ = skipSpace()
        let isBlob = rest.hasPrefix("blob")
        if isBlob { rest = rest.dropFirst(4) }
        _ = skipSpace()
        let content = quoted()
        return isBlob ? .blob(content) : .text(String(decoding: content, as: UTF8.self))
    }

    /// Quoted content with `\hh`, `\\"` and `\\\\` resolved; the suite uses no other escape at this level.
    private mutating func quoted() -> [UInt8] {
        rest = rest.dropFirst()
        var bytes: [UInt8] = []
        while let character = rest.first, character != "\"" {
            rest = rest.dropFirst()
            guard character == "\\", let escaped = rest.first else {
                bytes += Array(String(character).utf8)
                continue
            }
            if let byte = UInt8(rest.prefix(2), radix: 16) {
                bytes.append(byte)
                rest = rest.dropFirst(2)
            } else {
                bytes += Array(String(escaped).utf8)
                rest = rest.dropFirst()
            }
        }
        rest = rest.dropFirst()
        return bytes
    }
}
