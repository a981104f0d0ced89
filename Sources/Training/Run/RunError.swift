import Foundation

/// Why a run could not start, go on, or be read, in one sentence.
public enum RunError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The operating system refused to store a file; what was there before is still there.
    case notWritten(file: String, reason: String)
    /// There is a run in the folder already.
    case exists(folder: String)
    /// Another process trains in the folder.
    case busy(folder: String)
    /// There is nothing at this path, or the operating system does not let it be read.
    case unreadable(path: String, reason: String)
    /// The folder has no run, or is something else.
    case notARun(folder: String, reason: String)
    /// A file of the run is not what was once written.
    case damaged(file: String, offset: Int, reason: String)
    /// A file was written by another format version of this toolkit.
    case version(file: String, found: Int, supported: Int)
    /// Two things that must agree do not: networks, data sets, settings.
    case mismatch(file: String, what: String, found: String, expected: String)
    /// The loss is no number any more, or far above what guessing gives.
    case diverged(Divergence)
    /// Processes that train together do not go together; all of them find that.
    case processes(String)
    /// A library that this machine does not have.
    case unavailable(String)
    /// There is a file where a folder belongs.
    case notAFolder(path: String)
    /// Settings that cannot be trained with.
    case invalid(String)

    public var description: String {
        switch self {
        case .notWritten(let file, let reason):
            return "cannot write \(file): \(reason). What was there before is unchanged."
                + (isFullDisk ? " Free some space or choose another place." : "")
        case .exists(let folder):
            return "\(folder) already holds a run; continue it with --resume, start over with --force, "
                + "or choose another --run folder."
        case .busy(let folder):
            return "another process is training in \(folder); wait for it or choose another --run folder"
        case .unreadable(let path, let reason):
            return "cannot read \(path): \(reason)"
        case .notARun(let folder, let reason):
            return "\(folder) is not a run folder: \(reason)"
        case .damaged(let file, let offset, let reason):
            return "\(file) is damaged at byte \(offset): \(reason)"
        case .version(let file, let found, let supported):
            return "\(file) has format version \(found), this toolkit reads version \(supported); "
                + "use the toolkit that wrote it"
        case .mismatch(let file, let what, let found, let expected):
            return "\(file) belongs to another \(what): found \(found), expected \(expected)"
        case .diverged(let divergence):
            return divergence.description
        case .notAFolder(let path):
            return "\(path) is a file, not a folder"
        case .processes(let reason), .unavailable(let reason), .invalid(let reason):
            return reason
        }
    }

    /// Whether no space was left to write.
    public var isFullDisk: Bool {
        guard case .notWritten(_, let reason) = self else { return false }
        return [ENOSPC, EDQUOT].contains { reason == String(cString: strerror($0)) } || reason == "the disk is full"
    }
}
