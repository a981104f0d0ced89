import Candid
import Canister
import Foundation
import Testing

/// The checkout, found from this file.
private let checkout = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

@Suite struct InterfaceTests {
    private func interface() throws -> CandidText.Interface {
        let file = checkout.appendingPathComponent("Sources/Canister/classifier.did")
        return try CandidText.parseInterface(String(contentsOf: file, encoding: .utf8))
    }

    @Test func theInterfaceFileListsEveryMethodOnce() throws {
        let methods = try interface().methods.map(\.name)
        #expect(methods == Method.allCases.map { "\($0.name)" })
    }

    /// Argument types, result types and annotations agree with what the code encodes and decodes.
    @Test(arguments: Method.allCases)
    func theInterfaceFileHasTheTypesOfTheCode(method: Method) throws {
        let interface = try interface()
        let function = try #require(interface.method("\(method.name)"))
        #expect(function.arguments.map { expand($0, interface.definitions) } == method.argumentTypes)
        #expect(function.results.map { expand($0, interface.definitions) } == [method.resultType])
        #expect(function.annotation == (method.isQuery ? .query : nil))
    }

    @Test func theModuleExportsEveryMethod() throws {
        let file = checkout.appendingPathComponent("Sources/CanisterWasm/Exports.swift")
        let exports = try String(contentsOf: file, encoding: .utf8)
            .matches(of: /@_expose\(wasm, "(canister_(?:query|update) [a-z_]+)"\)/).map { String($0.1) }
        #expect(exports == Method.allCases.map { "canister_\($0.isQuery ? "query" : "update") \($0.name)" })
    }

    /// The type with every definition replaced by what it stands for; the interface is not recursive.
    private func expand(_ type: CandidType, _ definitions: [CandidType]) -> CandidType {
        func expand(_ fields: CandidFields) -> CandidFields {
            CandidFields(fields.list.map { CandidField(id: $0.id, type: self.expand($0.type, definitions)) })
        }
        switch type {
        case .definition(let index): return self.expand(definitions[index], definitions)
        case .optional(let content): return .optional(self.expand(content, definitions))
        case .vector(let element): return .vector(self.expand(element, definitions))
        case .record(let fields): return .record(expand(fields))
        case .variant(let fields): return .variant(expand(fields))
        default: return type
        }
    }
}
