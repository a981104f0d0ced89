/// What a parser found wrong with some bytes, before anybody knows which file they came from.
public struct DataFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where the trouble begins, counted from the first byte; nil when the parser cannot tell.
    public let offset: Int?
    public let reason: String

    public init(offset: Int?, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    public var description: String { offset.map { "byte \($0): \(reason)" } ?? reason }
}

/// Why a data set could not be found or read, in one sentence that names the file.
public enum DatasetError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No folder of that name in any of the places searched.
    case notFound(name: String, searched: [String], close: [String])
    /// The operating system refused: missing file, permissions, a broken disk.
    case unreadable(file: String, reason: String)
    /// The bytes of one file are not what they should be; `offset` where it is known.
    case corrupt(file: String, offset: Int?, reason: String)
    /// Each file may be fine, but together they are not a data set.
    case invalid(location: String, reason: String)

    public var description: String {
        switch self {
        case .notFound(let name, let searched, let close):
            let hint = close.isEmpty ? "" : " Did you mean \(close.joined(separator: " or "))?"
            return "no data set “\(name)” in \(searched.joined(separator: ", ")).\(hint) "
                + "`deai-train datasets` lists what is there; DEAI_DATASETS adds folders to search, "
                + "and a path names any folder."
        case .unreadable(let file, let reason):
            return "cannot read \(file): \(reason)"
        case .corrupt(let file, .some(let offset), let reason):
            return "\(file) is damaged at byte \(offset): \(reason)"
        case .corrupt(let file, nil, let reason):
            return "\(file) cannot be used: \(reason)"
        case .invalid(let location, let reason):
            return "\(location) cannot be used as a data set: \(reason)"
        }
    }
}
