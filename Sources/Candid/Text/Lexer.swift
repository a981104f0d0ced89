#if !hasFeature(Embedded)
import Digests

enum Token: Equatable {
    case name(String)
    /// Content of a quoted text, escapes resolved; bytes, because `\hh` may form any.
    case quoted([UInt8])
    /// A number as written, without underscores.
    case number(String)
    /// One of ( ) { } ; , : = . - > and the arrow `->`.
    case symbol(String)
    case end
}

/// Splits Candid text into tokens with their byte offsets; skips white space and comments.
struct Lexer {
    private let bytes: [UInt8]
    private var position = 0
    /// The token to be looked at next.
    private(set) var token: Token = .end
    private(set) var offset = 0
    /// Where the last consumed token ended.
    private(set) var consumed = 0

    init(_ text: String) throws(CandidText.Failure) {
        bytes = Array(text.utf8)
        try advance()
    }

    mutating func advance() throws(CandidText.Failure) {
        consumed = position
        try skipSpace()
        offset = position
        token = try next()
    }

    func failure(_ message: String) -> CandidText.Failure {
        CandidText.Failure(message: message, offset: offset)
    }

    private func failure(_ message: String, at offset: Int) -> CandidText.Failure {
        CandidText.Failure(message: message, offset: offset)
    }

    private func peek(_ ahead: Int = 0) -> UInt8 {
        position + ahead < bytes.count ? bytes[position + ahead] : 0
    }

    private mutating func skipSpace() throws(CandidText.Failure) {
        while position < bytes.count {
            let byte = peek()
            if byte == 0x20 || (0x09...0x0d).contains(byte) {
                position += 1
            } else if byte == 0x2f, peek(1) == 0x2f {
                while position < bytes.count, peek() != 0x0a { position += 1 }
            } else if byte == 0x2f, peek(1) == 0x2a {
                try skipBlockComment()
            } else {
                return
            }
        }
    }

    /// Block comments nest.
    private mutating func skipBlockComment() throws(CandidText.Failure) {
        let start = position
        var depth = 0
        repeat {
            guard position < bytes.count else { throw failure("a comment is not closed", at: start) }
            if peek() == 0x2f, peek(1) == 0x2a {
                depth += 1
                position += 2
            } else if peek() == 0x2a, peek(1) == 0x2f {
                depth -= 1
                position += 2
            } else {
                position += 1
            }
        } while depth > 0
    }

    private mutating func next() throws(CandidText.Failure) -> Token {
        guard position < bytes.count else { return .end }
        let byte = peek()
        switch byte {
        case 0x22: return .quoted(try quoted())
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
            return .name(run { Self.isNamePart($0) })
        case 0x30...0x39: return .number(number())
        case UInt8(ascii: "-") where peek(1) == UInt8(ascii: ">"):
            position += 2
            return .symbol("->")
        default:
            position += 1
            let character = Character(UnicodeScalar(byte))
            guard "(){};,:=.-+!".contains(character) else {
                throw failure("a character that has no meaning here", at: offset)
            }
            return .symbol(String(character))
        }
    }

    private static func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f: true
        default: false
        }
    }

    private mutating func run(_ isPart: (UInt8) -> Bool) -> String {
        let start = position
        while position < bytes.count, isPart(peek()) { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// Digits, hexadecimal digits, a point and an exponent; underscores separate digits.
    private mutating func number() -> String {
        if peek() == 0x30, peek(1) | 0x20 == UInt8(ascii: "x") {
            return run(Self.isNamePart).filter { $0 != "_" }
        }
        var text = run { (0x30...0x39).contains($0) || $0 == 0x5f }
        if peek() == UInt8(ascii: ".") {
            text += run { $0 == UInt8(ascii: ".") } + run { (0x30...0x39).contains($0) || $0 == 0x5f }
        }
        if peek() | 0x20 == UInt8(ascii: "e") {
            position += 1
            text += "e"
            if peek() == UInt8(ascii: "-") || peek() == UInt8(ascii: "+") {
                text += String(UnicodeScalar(peek()))
                position += 1
            }
            text += run { (0x30...0x39).contains($0) || $0 == 0x5f }
        }
        return text.filter { $0 != "_" }
    }

    private mutating func quoted() throws(CandidText.Failure) -> [UInt8] {
        let start = position
        position += 1
        var content: [UInt8] = []
        while true {
            guard position < bytes.count else { throw failure("a text is not closed", at: start) }
            let byte = peek()
            position += 1
            if byte == 0x22 { return content }
            guard byte == 0x5c else {
                content.append(byte)
                continue
            }
            try escape(into: &content)
        }
    }

    private mutating func escape(into content: inout [UInt8]) throws(CandidText.Failure) {
        let start = position - 1
        let byte = peek()
        position += 1
        switch byte {
        case UInt8(ascii: "n"): content.append(0x0a)
        case UInt8(ascii: "r"): content.append(0x0d)
        case UInt8(ascii: "t"): content.append(0x09)
        case 0x5c, 0x22, 0x27: content.append(byte)
        case UInt8(ascii: "u"):
            guard peek() == UInt8(ascii: "{") else { throw failure("\\u must be followed by {", at: start) }
            position += 1
            let digits = run(Self.isNamePart).filter { $0 != "_" }
            guard peek() == UInt8(ascii: "}"), let value = UInt32(digits, radix: 16),
                let scalar = UnicodeScalar(value)
            else { throw failure("not a Unicode scalar value", at: start) }
            position += 1
            content.append(contentsOf: Array(String(scalar).utf8))
        default:
            guard let value = Hex.decode([byte, peek()]) else { throw failure("an unknown escape", at: start) }
            position += 1
            content.append(contentsOf: value)
        }
    }
}
#endif
