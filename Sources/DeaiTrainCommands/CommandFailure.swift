import ArgumentParser
import Foundation

/// The process exit codes of every command (documented in docs/commands.md).
public enum ExitStatus: Int32, Sendable {
    case success = 0
    case failure = 1
    /// Finished, but below a target the user required.
    case belowTarget = 2
    case usage = 64
    case badData = 65
    case unavailable = 69
    case inputOutput = 74
    /// Stopped by a signal, after saving.
    case interrupted = 130
}

/// An error that a person reads: one sentence and the exit code it ends the process with.
public struct CommandFailure: Error, CustomStringConvertible, Sendable {
    public let exitStatus: ExitStatus
    public let message: String

    public init(_ exitStatus: ExitStatus, _ message: String) {
        self.exitStatus = exitStatus
        self.message = message
    }

    public var description: String { message }
}
