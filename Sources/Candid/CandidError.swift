/// What is wrong with a Candid message or value, and where.
public struct CandidError: Error, Equatable, Sendable {
    public enum Reason: Equatable, Sendable {
        case badMagic, truncated, badInteger, badText, badBool, badTag, badReference, badPrincipal
        case tableTooLong, badTypeCode, badTypeIndex, unsortedFields, unsortedMethods, badMethodType
        case badAnnotation, valueOfEmptyType, trailingBytes
        case tooDeep, quotaExceeded
        case typeMismatch, missingField, missingArgument, unexpectedVariant
        case valueMismatch
    }

    public let reason: Reason
    /// Byte offset in the message; the index of the argument when encoding.
    public let offset: Int

    public init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// True when the bytes are well formed but not of the expected type: an enclosing `opt` turns it into null.
    var isCoercion: Bool {
        switch reason {
        case .typeMismatch, .missingField, .unexpectedVariant: true
        default: false
        }
    }

    /// One clause in English that says what was wrong.
    public var text: StaticString {
        switch reason {
        case .badMagic: "not a Candid message (it must begin with DIDL)"
        case .truncated: "the message ends too early"
        case .badInteger: "an integer is out of range"
        case .badText: "a text is not valid UTF-8"
        case .badBool: "a bool is neither 0 nor 1"
        case .badTag: "an opt or variant tag is out of range"
        case .badReference: "opaque references are not supported"
        case .badPrincipal: "a principal has more than 29 bytes"
        case .tableTooLong: "the type table has too many entries"
        case .badTypeCode: "an unknown type code"
        case .badTypeIndex: "a type index outside the type table"
        case .unsortedFields: "field ids are not strictly increasing"
        case .unsortedMethods: "method names are not strictly increasing"
        case .badMethodType: "a method whose type is not a func"
        case .badAnnotation: "an unknown func annotation"
        case .valueOfEmptyType: "a value of type empty"
        case .trailingBytes: "bytes are left over after the last argument"
        case .tooDeep: "types or values are nested too deeply"
        case .quotaExceeded: "decoding would cost too much"
        case .typeMismatch: "a value has another type than expected"
        case .missingField: "a record lacks an expected field"
        case .missingArgument: "an argument is missing"
        case .unexpectedVariant: "a variant has a tag that is not expected"
        case .valueMismatch: "a value does not have the type it is encoded at"
        }
    }
}
