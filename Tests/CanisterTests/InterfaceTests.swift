import Candid
import Canister
import Foundation
import IC0
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
        let annotation: CandidFunction.Annotation? =
            switch method.kind {
            case .update: nil
            case .query: .query
            case .compositeQuery: .compositeQuery
            }
        #expect(function.annotation == annotation)
    }

    @Test func theModuleExportsEveryMethod() throws {
        let file = checkout.appendingPathComponent("Sources/CanisterWasm/Exports.swift")
        let exports = try String(contentsOf: file, encoding: .utf8)
            .matches(of: /@_expose\(wasm, "(canister_(?:query|update|composite_query) [a-z_]+)"\)/).map {
                String($0.1)
            }
        let expected = Method.allCases.map { method in
            let kind =
                switch method.kind {
                case .update: "update"
                case .query: "query"
                case .compositeQuery: "composite_query"
                }
            return "canister_\(kind) \(method.name)"
        }
        #expect(exports == expected)
    }

    /// Every import is a function of the system API with that very signature, in the C calling convention (Swift's
    /// own adds parameters on wasm32).
    @Test func importsAreThoseOfTheSystemAPI() throws {
        let file = checkout.appendingPathComponent("Sources/IC0/Imports.swift")
        let declarations = try String(contentsOf: file, encoding: .utf8).matches(
            of: /@_extern\(wasm, module: "ic0", name: "(\w+)"\)(.*)\s+func \w+\((.*)\)(?: -> (\w+))?/)
        #expect(declarations.count > 15)
        for declaration in declarations {
            let call = try #require(SystemCall(name: Array(declaration.1.utf8)), "\(declaration.1)")
            #expect(declaration.2 == " @_extern(c)", "\(declaration.1)")
            let parameters = declaration.3.split(separator: ",").map { parameter -> SystemValue in
                parameter.hasSuffix("Int64") ? .i64 : .i32
            }
            let results = declaration.4.map { [$0 == "Int64" ? SystemValue.i64 : .i32] } ?? []
            #expect(call.parameters(wide: false) == parameters, "\(declaration.1)")
            #expect(call.results(wide: false) == results, "\(declaration.1)")
        }
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
        case .function(let function):
            return .function(
                CandidFunction(
                    arguments: function.arguments.map { self.expand($0, definitions) },
                    results: function.results.map { self.expand($0, definitions) },
                    annotation: function.annotation))
        default: return type
        }
    }
}
