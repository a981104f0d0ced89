/// Why bytes are not a .deai file, and where.
public struct ModelFileError: Error, Equatable, Sendable {
    public enum Reason: Equatable, Sendable {
        /// The file does not start with the magic.
        case notAModelFile
        /// A major version this reader does not know.
        case unsupportedVersion(major: Int, minor: Int)
        /// The file ends before what its header promises.
        case truncated(expected: Int, found: Int)
        /// Bytes after the last section.
        case trailingBytes(Int)
        /// A section's SHA-256 differs from the table.
        case hashMismatch(section: Int)
        /// A section is missing, repeated, out of order or of the wrong length.
        case badSection(section: Int)
        /// A reserved field is not zero.
        case reservedNotZero
        /// A layer kind or tensor encoding this reader does not know.
        case unknownKind(Int)
        case unknownEncoding(Int)
        /// Entropy-coded weights that do not decode to the promised count and end.
        case badWeights
        /// A count beyond the limit of the format.
        case countTooLarge(limit: Int, found: Int)
        /// The parts are well formed but do not make a model.
        case invalidModel(QuantizedModelError)
    }

    public let reason: Reason
    /// Byte offset in the file.
    public let offset: Int

    public init(_ reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// One clause for people, without the numbers.
    public var message: StaticString {
        switch reason {
        case .notAModelFile: "not a .deai model file"
        case .unsupportedVersion: "a newer major version of the .deai format"
        case .truncated: "the file ends too early"
        case .trailingBytes: "bytes after the end of the model"
        case .hashMismatch: "a section does not match its SHA-256"
        case .badSection: "the section table is damaged"
        case .reservedNotZero: "a reserved field is not zero"
        case .unknownKind: "an unknown kind of layer"
        case .unknownEncoding: "an unknown tensor encoding"
        case .badWeights: "entropy-coded weights are damaged"
        case .countTooLarge: "a count is larger than the format allows"
        case .invalidModel(let error): error.message
        }
    }
}
