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
        do {
            // `download` has an option of that name with a value; without one it asks for the program's, as everywhere.
            if CommandLine.arguments.last == "--version" {
                Console.result(Toolkit.version)
                Foundation.exit(ExitStatus.success.rawValue)
            }
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            Foundation.exit(ExitStatus.success.rawValue)
        } catch let failure as CommandFailure {
            Console.note("deai-train: " + failure.message)
            Foundation.exit(failure.exitStatus.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}

/// What this build of the toolkit is.
public enum Toolkit {
    public static let version = "0.1.0"
}
