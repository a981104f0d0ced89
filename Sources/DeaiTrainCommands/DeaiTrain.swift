import ArgumentParser
import Foundation

/// The root command; `Sources/deai-train` runs it.
public struct DeaiTrain: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "deai-train",
        abstract: "Train an image classifier, export int8 weights, upload them to a canister, query it.",
        version: Toolkit.version,
        groupedSubcommands: [
            CommandGroup(
                name: "Train",
                subcommands: [
                    DatasetsCommand.self, FitCommand.self, RunsCommand.self, ReportCommand.self,
                    EvaluateCommand.self, ImportCommand.self, ExportCommand.self, InspectCommand.self,
                    LearningRateCommand.self,
                ]),
            CommandGroup(name: "Deploy", subcommands: NetworkCommands.all),
            CommandGroup(
                name: "Measure",
                subcommands: [
                    VerifyOnchainCommand.self, EvaluateOnchainCommand.self, MeterCommand.self, BenchCommand.self,
                ]),
        ])

    public init() {}

    /// Parses the process arguments, runs the command and ends the process with a documented exit code.
    public static func runAndExit() async -> Never {
        signal(SIGPIPE, SIG_IGN)
        Console.holdStandardDescriptors()
        do {
            // `download` has an option of that name with a value; without one it asks for the program's, as everywhere.
            if CommandLine.arguments.last == "--version" {
                Console.result(Toolkit.version)
                finish(.success)
            }
            try refuseEmpty(Array(CommandLine.arguments.dropFirst()))
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            finish(.success)
        } catch let failure as CommandFailure {
            Console.note("deai-train: " + failure.message)
            finish(failure.exitStatus)
        } catch {
            // Help is a result, too.
            guard exitCode(for: error) == .success else { exit(withError: error) }
            Console.result(fullMessage(for: error))
            finish(.success)
        }
    }

    /// Ends the process; with `inputOutput` where all went well but results did not get to standard output.
    private static func finish(_ status: ExitStatus) -> Never {
        guard let failure = Console.resultFailure.withLock({ $0 }) else { Foundation.exit(status.rawValue) }
        Console.note("deai-train: cannot write to standard output: \(failure)")
        Foundation.exit((status == .success ? .inputOutput : status).rawValue)
    }

    /// Throws when an argument is empty, but for those whose value may be: no path, name or number is.
    private static func refuseEmpty(_ arguments: [String]) throws {
        let mayBeEmpty = ["--arg-hex", "--init-arg-hex"]
        for (index, argument) in arguments.enumerated() {
            let before = index > 0 ? arguments[index - 1] : ""
            if argument.isEmpty, !mayBeEmpty.contains(before) {
                throw CommandFailure(
                    .usage, "an argument is empty" + (before.hasPrefix("-") ? ": that of \(before)" : "") + "; give a value")
            }
            if argument.hasPrefix("--"), argument.hasSuffix("="), !mayBeEmpty.contains(String(argument.dropLast())) {
                throw CommandFailure(.usage, "an argument is empty: that of \(argument.dropLast()); give a value")
            }
        }
    }
}

/// What this build of the toolkit is.
public enum Toolkit {
    public static let version = "0.1.0"
}
