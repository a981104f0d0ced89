import ArgumentParser
import Foundation
import Training

/// `deai-train runs`: what runs there are, and what they came to.
struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "List and compare the runs in a folder.",
        discussion: """
            Runs are looked for two levels deep. Settings in which they differ get a column each.
            """)

    @Argument(help: "The folder to search. Default: runs.")
    var folder = "runs"

    @Option(help: "Order: name, validation or test (the best first).")
    var sort = Order.name

    @Flag(help: "One JSON object per run on standard output.")
    var json = false

    enum Order: String, ExpressibleByArgument, CaseIterable { case name, validation, test }

    func run() throws {
        try CommandFailure.wrapping {
            let found = try RunSummary.all(in: folder)
            for reason in found.unreadable { Console.note("left out: " + reason) }
            var runs = found.runs
            switch sort {
            case .name: break
            case .validation: runs.sort { ($0.validationAccuracy ?? -1) > ($1.validationAccuracy ?? -1) }
            case .test: runs.sort { ($0.testAccuracy ?? -1) > ($1.testAccuracy ?? -1) }
            }
            if json {
                for run in runs { Console.json(run) }
            } else if runs.isEmpty {
                Console.note("no runs in \(folder); `deai-train fit --run \(folder)/first` makes one")
            } else {
                for line in RunsCommand.lines(runs) { Console.result(line) }
            }
        }
    }

    /// The table: the same columns for every set of runs, then those of the settings that differ.
    static func lines(_ runs: [RunSummary]) -> [String] {
        let differences = RunSummary.differences(runs)
        let header =
            ["RUN", "MODEL", "DATA SET", "STATE", "EPOCHS", "BEST", "VALIDATION", "TEST", "TIME"]
            + differences.map { $0.uppercased() }
        let rows = runs.map { run in
            [
                run.name, run.model, run.dataset, run.state.rawValue, "\(run.epochsTrained)/\(run.epochs)",
                run.bestEpoch.map(String.init) ?? "-", run.validationAccuracy.map(percentage) ?? "-",
                run.testAccuracy.map(percentage) ?? "-", ProgressBar.duration(run.seconds),
            ] + differences.map { run.settings[$0] ?? "-" }
        }
        return table([header] + rows, rightAligned: [4, 5, 6, 7, 8])
    }
}
