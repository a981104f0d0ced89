import ArgumentParser
import Emulator
import Foundation
import Logging

extension Logger.Level: @retroactive ExpressibleByArgument {}

struct EmulatorCleanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clean", abstract: "Remove the state of a stopped emulator: canisters, cycles, keys.")

    @OptionGroup var state: EmulatorStateOptions

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    func run() async throws {
        let directory = state.directory
        guard directory.hasState else {
            Console.result("there is no emulator state in \(state.state)")
            return
        }
        try state.requireStopped()
        try confirm("Remove the emulator's state in \(state.state), canisters and keys included?", yes: yes)
        try stateFiles { try directory.clean() }
        Console.result("removed the emulator's state in \(state.state)")
    }
}

struct EmulatorSnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Save the whole state of a stopped emulator, or go back to a saved one.",
        subcommands: [EmulatorSnapshotSaveCommand.self, EmulatorSnapshotRestoreCommand.self])
}

struct EmulatorSnapshotSaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Copy the state into a new folder: canisters, memories, cycles, keys.")

    @Argument(help: "The folder to make.")
    var folder: String

    @OptionGroup var state: EmulatorStateOptions

    func run() async throws {
        try state.requireStopped()
        try stateFiles { try state.directory.save(to: URL(fileURLWithPath: folder)) }
        Console.result("saved the emulator's state of \(state.state) in \(folder)")
    }
}

struct EmulatorSnapshotRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put a saved state in the place of the present one.",
        discussion: "Every file is checked against the snapshot's list first; a damaged snapshot changes nothing.")

    @Argument(help: "The folder of the snapshot.")
    var folder: String

    @OptionGroup var state: EmulatorStateOptions

    @Flag(name: .shortAndLong, help: "Do not ask before a state is replaced.")
    var yes = false

    func run() async throws {
        try state.requireStopped()
        if state.directory.hasState {
            try confirm("Replace the emulator's state in \(state.state) by that of \(folder)?", yes: yes)
        }
        try stateFiles { try state.directory.restore(from: URL(fileURLWithPath: folder)) }
        Console.result("the emulator's state in \(state.state) is that of \(folder)")
    }
}

extension EmulatorStateOptions {
    func requireStopped() throws {
        guard directory.isHeld else { return }
        throw CommandFailure(
            .unavailable, "an emulator runs on \(state): stop it first with `deai-train emulator stop"
                + (state == ".deai/emulator" ? "`" : " --state \(state)`"))
    }
}

/// Asks on a terminal; elsewhere only `--yes` counts.
private func confirm(_ question: String, yes: Bool) throws {
    if yes { return }
    guard isatty(STDIN_FILENO) == 1 else {
        throw CommandFailure(.usage, "\(question) Say --yes, as there is nobody to ask.")
    }
    Console.write("\(question) [y/N] ", to: STDERR_FILENO)
    let answer = readLine()?.lowercased() ?? ""
    guard answer == "y" || answer == "yes" else { throw CommandFailure(.failure, "nothing was changed") }
}

/// Runs `body` and turns its errors into a sentence and an exit code.
private func stateFiles(_ body: () throws -> Void) throws {
    do { try body() } catch let error as StateFileError {
        let status: ExitStatus =
            switch error {
            case .noState, .exists: .usage
            case .noSnapshot, .damaged: .badData
            case .file: .inputOutput
            }
        throw CommandFailure(status, error.description)
    } catch let error as EmulatorStartError {
        throw CommandFailure(.unavailable, error.description)
    }
}
