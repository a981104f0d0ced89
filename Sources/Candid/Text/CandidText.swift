#if !hasFeature(Embedded)
// The text form is for people: command lines, tests and interface files. It is not part of the canister.

/// Candid's text form: values as `(record { size = 3 : nat64; name = "x" }, opt true)` and interface files.
///
/// Grammar: Candid.md, "Core grammar" and "Textual format" of the dfinity/candid repository.
public enum CandidText {
    /// What is wrong with a text, where: the byte offset, and what was expected there.
    public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        public let message: String
        public let offset: Int

        public var description: String { "\(message) at byte \(offset) of the Candid text" }
    }

    /// The values of an argument list. Numbers without a type are `int`, those with a point `float64`.
    public static func parseArguments(_ text: String) throws(Failure) -> [CandidValue] {
        var parser = try ValueParser(text)
        let values = try parser.argumentList()
        return try TypedValues([]).arguments(values, values.map(\.inferredType))
    }

    /// The types that `parseArguments` without types gives to the values of an argument list.
    public static func inferredTypes(_ text: String) throws(Failure) -> [CandidType] {
        var parser = try ValueParser(text)
        return try parser.argumentList().map(\.inferredType)
    }

    /// The values of an argument list at the types of a method: numbers take the expected width, missing optional
    /// fields and arguments become null.
    public static func parseArguments(
        _ text: String, as types: [CandidType], definitions: [CandidType] = []
    ) throws(Failure) -> [CandidValue] {
        var parser = try ValueParser(text)
        return try TypedValues(definitions).arguments(try parser.argumentList(), types)
    }

    /// An interface file: its named types and its service, if it has one.
    public static func parseInterface(_ text: String) throws(Failure) -> Interface {
        var parser = try TypeParser(text)
        return try parser.interface()
    }

    /// The argument list as text. `name` gives names to field ids; without one a field is printed as its number.
    public static func print(_ arguments: [CandidValue], name: (UInt32) -> String? = { _ in nil }) -> String {
        "(" + arguments.map { text(of: $0, name) }.joined(separator: ", ") + ")"
    }

    /// A parsed interface file.
    public struct Interface: Sendable {
        /// The named types, to which `CandidType.definition` refers.
        public internal(set) var definitions: [CandidType] = []
        public internal(set) var definitionNames: [String] = []
        public internal(set) var methods: [(name: String, function: CandidFunction)] = []
        /// The arguments of the service's constructor.
        public internal(set) var initArguments: [CandidType] = []
        /// Every field and tag name that occurs, for printing values.
        public internal(set) var fieldNames: [UInt32: String] = [:]

        /// The method with this name.
        public func method(_ name: String) -> CandidFunction? {
            methods.first { $0.name == name }?.function
        }

        /// The type of this name.
        public func type(_ name: String) -> CandidType? {
            definitionNames.firstIndex(of: name).map { .definition($0) }
        }
    }
}
#endif
