#if !hasFeature(Embedded)
    /// A value as written, before its type is known.
    indirect enum ParsedValue {
        case number(String)
        case annotated(ParsedValue, CandidType)
        case constant(CandidValue)
        case optional(ParsedValue)
        case vector([ParsedValue])
        case record([(id: UInt32, value: ParsedValue)])
        case variant(UInt32, ParsedValue)
    }

    /// Parses values.
    struct ValueParser {
        private var types: TypeParser

        init(_ text: String) throws(CandidText.Failure) {
            types = try TypeParser(text)
        }

        /// `(value, …)` and nothing after it.
        mutating func argumentList() throws(CandidText.Failure) -> [ParsedValue] {
            try types.expect("(")
            var values: [ParsedValue] = []
            while try !types.accept(")") {
                if !values.isEmpty {
                    try types.expect(",")
                    if try types.accept(")") { break }
                }
                values.append(try annotated())
            }
            guard types.lexer.token == .end else { throw types.lexer.failure("expected the end") }
            return values
        }

        /// A value, perhaps with `: type` after it.
        private mutating func annotated() throws(CandidText.Failure) -> ParsedValue {
            let value = try value()
            guard try types.accept(":") else { return value }
            return .annotated(value, try types.type())
        }

        private mutating func value() throws(CandidText.Failure) -> ParsedValue {
            try types.enter()
            defer { types.leave() }
            switch types.lexer.token {
            case .symbol("("):
                try types.lexer.advance()
                let inner = try annotated()
                try types.expect(")")
                return inner
            case .symbol("-"):
                try types.lexer.advance()
                return .number("-" + (try number()))
            case .symbol("+"):
                try types.lexer.advance()
                return .number(try number())
            case .number: return .number(try number())
            case .quoted: return .constant(.text(try utf8()))
            case .name(let word):
                try types.lexer.advance()
                return try named(word)
            default: throw types.lexer.failure("expected a value")
            }
        }

        private mutating func named(_ word: String) throws(CandidText.Failure) -> ParsedValue {
            switch word {
            case "null": return .constant(.null)
            case "true": return .constant(.bool(true))
            case "false": return .constant(.bool(false))
            case "opt": return .optional(try value())
            case "blob": return .constant(.blob(try quoted()))
            case "principal": return .constant(.principal(try principal()))
            case "service": return .constant(.service(try principal()))
            case "func":
                let service = try principal()
                try types.expect(".")
                if case .quoted = types.lexer.token { return .constant(.function(service, try utf8())) }
                return .constant(.function(service, Array(try types.name().utf8)))
            case "vec":
                try types.expect("{")
                var values: [ParsedValue] = []
                while try !types.accept("}") {
                    values.append(try annotated())
                    if types.lexer.token != .symbol("}") { try types.expect(";") }
                }
                return .vector(values)
            case "record": return .record(try fields())
            case "variant":
                try types.expect("{")
                guard let id = try label() else { throw types.lexer.failure("expected a tag") }
                let payload: ParsedValue = try types.accept("=") ? try annotated() : .constant(.null)
                _ = try types.accept(";")
                try types.expect("}")
                return .variant(id, payload)
            default: throw types.lexer.failure("\"\(word)\" does not begin a value")
            }
        }

        private mutating func fields() throws(CandidText.Failure) -> [(id: UInt32, value: ParsedValue)] {
            try types.expect("{")
            var list: [(id: UInt32, value: ParsedValue)] = []
            while try !types.accept("}") {
                let saved = types
                if let id = try label(), try types.accept("=") {
                    list.append((id, try annotated()))
                } else {
                    types = saved
                    list.append((list.last.map { $0.id &+ 1 } ?? 0, try annotated()))
                }
                if types.lexer.token != .symbol("}") { try types.expect(";") }
            }
            for index in list.indices where list[..<index].contains(where: { $0.id == list[index].id }) {
                throw types.lexer.failure("two fields have the same name or id")
            }
            return list
        }

        private mutating func label() throws(CandidText.Failure) -> UInt32? {
            switch types.lexer.token {
            case .name(let name):
                try types.lexer.advance()
                return Candid.hash(Array(name.utf8))
            case .quoted(let bytes):
                try types.lexer.advance()
                return Candid.hash(bytes)
            case .number(let digits):
                try types.lexer.advance()
                return UInt32(digits)
            default: return nil
            }
        }

        private mutating func number() throws(CandidText.Failure) -> String {
            guard case .number(let digits) = types.lexer.token else {
                throw types.lexer.failure("expected a number")
            }
            try types.lexer.advance()
            return digits
        }

        private mutating func quoted() throws(CandidText.Failure) -> [UInt8] {
            guard case .quoted(let bytes) = types.lexer.token else {
                throw types.lexer.failure("expected a text in quotes")
            }
            try types.lexer.advance()
            return bytes
        }

        private mutating func utf8() throws(CandidText.Failure) -> [UInt8] {
            let failure = types.lexer.failure("a text is not UTF-8")
            let bytes = try quoted()
            guard isValidUTF8(bytes) else { throw failure }
            return bytes
        }

        private mutating func principal() throws(CandidText.Failure) -> [UInt8] {
            let failure = types.lexer.failure("not the text of a principal")
            guard let bytes = PrincipalText.decode(try quoted()) else { throw failure }
            return bytes
        }
    }
#endif
