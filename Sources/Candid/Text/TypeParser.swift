#if !hasFeature(Embedded)
    /// Parses types and interface files.
    struct TypeParser {
        /// Types and values may nest this deep, as the binary form may; a text comes from anybody.
        static let maximumDepth = 512

        var lexer: Lexer
        private var depth = 0
        private var indices: [String: Int] = [:]
        private var definitions: [CandidType?] = []
        private var result = CandidText.Interface()

        init(_ text: String) throws(CandidText.Failure) {
            lexer = try Lexer(text)
        }

        /// A whole interface file: `type N = …;` any number of times, then perhaps a service.
        mutating func interface() throws(CandidText.Failure) -> CandidText.Interface {
            var service: CandidType?
            while lexer.token != .end {
                if try accept(name: "type") {
                    let index = definitionIndex(try name())
                    try expect("=")
                    guard definitions[index] == nil else { throw lexer.failure("a type name is used twice") }
                    definitions[index] = try type()
                } else if try accept(name: "service") {
                    service = try actor()
                } else {
                    throw lexer.failure("expected \"type\" or \"service\"")
                }
                if try !accept(";"), lexer.token != .end { throw lexer.failure("expected \";\"") }
            }
            for (index, definition) in definitions.enumerated() {
                guard let definition else {
                    throw lexer.failure("the type \(result.definitionNames[index]) is not defined")
                }
                result.definitions.append(definition)
            }
            if case .service(let methods)? = service?.resolved(result.definitions) {
                for method in methods {
                    guard case .function(let function) = method.type.resolved(result.definitions) else {
                        throw lexer.failure("a method is not a func")
                    }
                    result.methods.append((String(decoding: method.name, as: UTF8.self), function))
                }
            }
            return result
        }

        /// `service Name? : (init arguments ->)? { … }`
        private mutating func actor() throws(CandidText.Failure) -> CandidType {
            if case .name = lexer.token { _ = try name() }
            try expect(":")
            if lexer.token == .symbol("(") {
                result.initArguments = try tuple()
                try expect("->")
            }
            if lexer.token == .symbol("{") { return try serviceType() }
            return .definition(definitionIndex(try name()))
        }

        /// Call at the start of each type and value, and `leave` at its end.
        mutating func enter() throws(CandidText.Failure) {
            guard depth < Self.maximumDepth else { throw lexer.failure("more than \(Self.maximumDepth) levels") }
            depth += 1
        }

        mutating func leave() { depth -= 1 }

        /// One type.
        mutating func type() throws(CandidText.Failure) -> CandidType {
            try enter()
            defer { leave() }
            guard case .name(let word) = lexer.token else { throw lexer.failure("expected a type") }
            try lexer.advance()
            switch word {
            case "opt": return .optional(try type())
            case "vec": return .vector(try type())
            case "blob": return .blob
            case "record": return .record(try fields(isRecord: true))
            case "variant": return .variant(try fields(isRecord: false))
            case "func": return .function(try function())
            case "service": return try serviceType()
            default: return Self.primitives[word] ?? .definition(definitionIndex(word))
            }
        }

        private static let primitives: [String: CandidType] = [
            "null": .null, "bool": .bool, "nat": .nat, "int": .int, "nat8": .nat8, "nat16": .nat16,
            "nat32": .nat32, "nat64": .nat64, "int8": .int8, "int16": .int16, "int32": .int32,
            "int64": .int64,
            "float32": .float32, "float64": .float64, "text": .text, "reserved": .reserved, "empty": .empty,
            "principal": .principal,
        ]

        private mutating func definitionIndex(_ name: String) -> Int {
            if let known = indices[name] { return known }
            indices[name] = definitions.count
            result.definitionNames.append(name)
            definitions.append(nil)
            return definitions.count - 1
        }

        /// `{ name : type; 3 : type; type }`; in a variant the type may be left out.
        private mutating func fields(isRecord: Bool) throws(CandidText.Failure) -> CandidFields {
            try expect("{")
            var list: [CandidField] = []
            while try !accept("}") {
                var id = list.last.map { $0.id &+ 1 } ?? 0
                var type: CandidType?
                let label = try fieldLabel()
                if let label, try accept(":") {
                    id = label
                } else if let label, !isRecord {
                    id = label
                    type = .null
                } else if label != nil {
                    throw lexer.failure("expected \":\" and a type")
                }
                if type == nil { type = try self.type() }
                list.append(CandidField(id: id, type: type ?? .null))
                if lexer.token != .symbol("}") { try expect(";") }
            }
            let sorted = CandidFields(list)
            for index in sorted.list.indices.dropFirst()
            where sorted.list[index].id == sorted.list[index - 1].id {
                throw lexer.failure("two fields have the same name or id")
            }
            return sorted
        }

        /// The id that a label spells; nil when a type stands here instead.
        private mutating func fieldLabel() throws(CandidText.Failure) -> UInt32? {
            switch lexer.token {
            case .number(let digits):
                guard let id = UInt32(digits) else { throw lexer.failure("a field id is too large") }
                try lexer.advance()
                return id
            case .quoted(let bytes):
                try lexer.advance()
                return remember(String(decoding: bytes, as: UTF8.self))
            case .name(let name):
                // A name is a label when a colon follows, or in a variant; else it begins a type.
                let saved = lexer
                try lexer.advance()
                let isType =
                    Self.primitives[name] != nil || Self.constructors.contains(name)
                    || indices[name] != nil
                if lexer.token == .symbol(":") || !isType && lexer.token != .symbol("{") {
                    return remember(name)
                }
                if lexer.token == .symbol(";") || lexer.token == .symbol("}"), !isType {
                    return remember(name)
                }
                lexer = saved
                return nil
            default: return nil
            }
        }

        private static let constructors: Set = ["opt", "vec", "blob", "record", "variant", "func", "service"]

        private mutating func remember(_ name: String) -> UInt32 {
            let id = Candid.hash(Array(name.utf8))
            result.fieldNames[id] = name
            return id
        }

        private mutating func function() throws(CandidText.Failure) -> CandidFunction {
            let arguments = try tuple()
            try expect("->")
            let results = try tuple()
            var annotation: CandidFunction.Annotation?
            if try accept(name: "query") { annotation = .query }
            if try accept(name: "oneway") { annotation = .oneway }
            if try accept(name: "composite_query") { annotation = .compositeQuery }
            return CandidFunction(arguments: arguments, results: results, annotation: annotation)
        }

        /// `(type, name : type)`
        private mutating func tuple() throws(CandidText.Failure) -> [CandidType] {
            try expect("(")
            var types: [CandidType] = []
            while try !accept(")") {
                if !types.isEmpty {
                    try expect(",")
                    if try accept(")") { break }
                }
                let saved = lexer
                if case .name = lexer.token {
                    try lexer.advance()
                    if try !accept(":") { lexer = saved }
                }
                types.append(try type())
            }
            return types
        }

        private mutating func serviceType() throws(CandidText.Failure) -> CandidType {
            try expect("{")
            var methods: [CandidMethod] = []
            while try !accept("}") {
                let name: [UInt8]
                if case .quoted(let bytes) = lexer.token {
                    name = bytes
                    try lexer.advance()
                } else {
                    name = Array(try self.name().utf8)
                }
                try expect(":")
                let isFunction = lexer.token == .symbol("(")
                methods.append(
                    CandidMethod(
                        name: name,
                        type: isFunction
                            ? .function(try function()) : .definition(definitionIndex(try self.name())))
                )
                if lexer.token != .symbol("}") { try expect(";") }
            }
            return .service(methods)
        }

        // MARK: Tokens

        mutating func name() throws(CandidText.Failure) -> String {
            guard case .name(let name) = lexer.token else { throw lexer.failure("expected a name") }
            try lexer.advance()
            return name
        }

        mutating func accept(_ symbol: String) throws(CandidText.Failure) -> Bool {
            guard lexer.token == .symbol(symbol) else { return false }
            try lexer.advance()
            return true
        }

        mutating func accept(name: String) throws(CandidText.Failure) -> Bool {
            guard lexer.token == .name(name) else { return false }
            try lexer.advance()
            return true
        }

        mutating func expect(_ symbol: String) throws(CandidText.Failure) {
            guard try accept(symbol) else { throw lexer.failure("expected \"\(symbol)\"") }
        }
    }
#endif
