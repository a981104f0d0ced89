import ArgumentParser
import Foundation
import MessagePassing
import Training

/// The processes of one `fit`: this one alone, or all that `mpirun` started.
///
/// The first has the run folder and says what there is to say; the others do what it found, and all end with its exit
/// code. A failure that only one of them knows of ends all of them at once.
final class FitTeam {
    let collective: any Collective
    private let group: ProcessGroup?
    /// Whether others may be waiting in an exchange for this process.
    private var isTraining = false

    init() throws {
        do {
            group = try ProcessGroup.join(ProcessInfo.processInfo.environment)
        } catch {
            throw CommandFailure(.unavailable, error.description)
        }
        collective = group ?? Alone()
    }

    var isFirst: Bool { collective.rank == 0 }
    var processesOnThisMachine: Int { group?.localCount ?? 1 }

    /// The first process failed and says why.
    private struct FirstFailed: Error {}

    private struct Message: Codable {
        let configuration: RunConfiguration
        let hasCheckpoint: Bool
    }

    /// Tells the other processes what the first one made ready; in the others, what they were told.
    func share(
        _ ready: () throws -> (RunConfiguration, Checkpoint?)
    ) throws -> (configuration: RunConfiguration, checkpoint: Checkpoint?) {
        guard collective.count > 1 else { return try ready() }
        // Nothing but a failure sends no bytes.
        var (message, checkpoint): ([UInt8], [UInt8]) = ([], [])
        guard isFirst else {
            collective.broadcast(&message)
            collective.broadcast(&checkpoint)
            guard !message.isEmpty else { throw FirstFailed() }
            isTraining = true
            let found = try JSONDecoder().decode(Message.self, from: Data(message))
            return (
                found.configuration,
                found.hasCheckpoint ? try Checkpoint(checkpoint, file: "the checkpoint of the first process") : nil
            )
        }
        defer {
            collective.broadcast(&message)
            collective.broadcast(&checkpoint)
        }
        let made = try ready()
        checkpoint = try made.1?.encoded() ?? []
        message = [UInt8](
            try JSONEncoder().encode(Message(configuration: made.0, hasCheckpoint: made.1 != nil)))
        isTraining = true
        return made
    }

    /// After the last exchange of training.
    func finishTraining() { isTraining = false }

    /// Runs a command in every process.
    func run(_ body: () throws -> Void) throws {
        guard let group else { return try CommandFailure.wrapping(body) }
        var status = ExitStatus.success
        do {
            try body()
        } catch {
            let failure = CommandFailure(trainingSide: error)
            status = failure.exitStatus
            if !FitTeam.isCommon(error), isFirst ? isTraining : !(error is FirstFailed) {
                Console.note("deai-train: process \(group.rank + 1) of \(group.count): \(failure.message)")
                group.abort(status.rawValue)
            }
            if isFirst { Console.note("deai-train: " + failure.message) }
        }
        var code = [UInt8(status.rawValue)]
        group.broadcast(&code)
        group.leave()
        guard code == [0] else { throw ExitCode(Int32(code[0])) }
    }

    /// Whether every process ends with the same failure in the same step.
    private static func isCommon(_ error: any Error) -> Bool {
        switch error {
        case RunError.diverged, RunError.processes: true
        case let failure as CommandFailure: failure.exitStatus == .interrupted
        default: false
        }
    }
}
