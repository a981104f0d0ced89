#if !hasFeature(Embedded)
import Digests

extension CandidText {
    /// One value as text; numbers of a fixed width carry their type.
    static func text(of value: CandidValue, _ name: (UInt32) -> String?) -> String {
        switch value {
        case .null: "null"
        case .reserved: "null : reserved"
        case .bool(let value): value ? "true" : "false"
        case .nat(let value): ascii(value.decimal) + " : nat"
        case .int(let value): ascii(value.decimal)
        case .nat8(let value): "\(value) : nat8"
        case .nat16(let value): "\(value) : nat16"
        case .nat32(let value): "\(value) : nat32"
        case .nat64(let value): "\(value) : nat64"
        case .int8(let value): "\(value) : int8"
        case .int16(let value): "\(value) : int16"
        case .int32(let value): "\(value) : int32"
        case .int64(let value): "\(value) : int64"
        case .float32(let value): "\(value) : float32"
        case .float64(let value): "\(value) : float64"
        case .text(let bytes): quoted(String(decoding: bytes, as: UTF8.self))
        case .blob(let bytes): "blob " + quoted(bytes)
        case .principal(let bytes): "principal \"" + ascii(PrincipalText.encode(bytes)) + "\""
        case .service(let bytes): "service \"" + ascii(PrincipalText.encode(bytes)) + "\""
        case .function(let service, let method):
            "func \"" + ascii(PrincipalText.encode(service)) + "\"."
                + quoted(String(decoding: method, as: UTF8.self))
        case .optional(nil): "null"
        case .optional(let content?): "opt " + inParentheses(content, name)
        case .vector(let values): "vec {" + list(values.map { text(of: $0, name) }) + "}"
        case .record(let record): "record {" + list(fields(record.list, name)) + "}"
        case .variant(let tag, .null): "variant { " + label(tag, name) + " }"
        case .variant(let tag, let payload):
            "variant { " + label(tag, name) + " = " + text(of: payload, name) + " }"
        }
    }

    /// `opt` binds closer than the type after a number.
    private static func inParentheses(_ value: CandidValue, _ name: (UInt32) -> String?) -> String {
        let text = text(of: value, name)
        switch value {
        case .nat, .nat8, .nat16, .nat32, .nat64, .int8, .int16, .int32, .int64, .float32, .float64, .reserved:
            return "(" + text + ")"
        default: return text
        }
    }

    private static func fields(_ fields: [CandidRecord.Field], _ name: (UInt32) -> String?) -> [String] {
        let isTuple = fields.enumerated().allSatisfy { $1.id == UInt32($0) }
        return fields.map { field in
            (isTuple ? "" : label(field.id, name) + " = ") + text(of: field.value, name)
        }
    }

    private static func label(_ id: UInt32, _ name: (UInt32) -> String?) -> String {
        guard let name = name(id) else { return String(id) }
        let isPlain = name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x61...0x7a).contains($0 | 0x20) || $0 == 0x5f
        }
        let startsWithDigit = name.utf8.first.map { (0x30...0x39).contains($0) } ?? true
        return isPlain && !startsWithDigit ? name : quoted(name)
    }

    private static func list(_ parts: [String]) -> String {
        parts.isEmpty ? "" : " " + parts.joined(separator: "; ") + " "
    }

    private static func ascii(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Printable ASCII as it is, every other byte as `\hh`.
    private static func quoted(_ bytes: [UInt8]) -> String {
        var result = "\""
        for byte in bytes {
            if (0x20...0x7e).contains(byte), byte != 0x22, byte != 0x5c {
                result.unicodeScalars.append(UnicodeScalar(byte))
            } else {
                result += "\\" + ascii(Hex.encode([byte]))
            }
        }
        return result + "\""
    }
}
#endif
