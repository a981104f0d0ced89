import ArgumentParser
import Foundation
import Training

/// `deai-train datasets`: what can be trained on, and where it was found.
struct DatasetsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "datasets", abstract: "List the data sets that are here, or make a PNG sample of one.",
        discussion: """
            Searched, first match wins: the folders in DEAI_DATASETS (separated by colons), ./datasets, \
            /usr/local/share/datasets and /usr/share/datasets. A data set is a folder with IDX files \
            (train-images…, train-labels…, t10k-…; plain or .gz) or with one folder of PNG files per class.
            """,
        subcommands: [List.self, Sample.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the data sets that are here.")

        @Flag(help: "One JSON object per data set.")
        var json = false

        func run() throws {
            let catalog = DatasetCatalog.standard()
            let entries = catalog.entries()
            if json {
                for entry in entries { Console.result(EventRecord("dataset", entry).json) }
                return
            }
            guard !entries.isEmpty else {
                throw CommandFailure(
                    .unavailable,
                    "no data sets in \(catalog.roots.joined(separator: ", ")); the Debian package "
                        + "dataset-fashion-mnist has one, DEAI_DATASETS adds folders to search")
            }
            var rows = [["NAME", "FORMAT", "TRAIN", "TEST", "CLASSES", "IMAGE", "WHERE"]]
            for entry in entries {
                rows.append([
                    entry.name, entry.format?.rawValue ?? "-", "\(entry.trainImages)", "\(entry.testImages)",
                    entry.classes > 0 ? "\(entry.classes)" : "-", entry.geometry?.description ?? "-",
                    entry.location,
                ])
            }
            for line in table(rows, rightAligned: [2, 3, 4]) { Console.result(line) }
            for entry in entries {
                if let problem = entry.problem { Console.note("\(entry.name): \(problem)") }
            }
        }
    }

    struct Sample: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sample", abstract: "Write the first images of every class as PNG files.",
            discussion: "Makes labels.txt, train/CLASS/*.png, test/CLASS/*.png and SHA256SUMS.")

        @Option(help: "Name or folder of the data set.")
        var dataset = "fashion-mnist"

        @Option(help: "Training images per class.")
        var train = 100

        @Option(help: "Test images per class.")
        var test = 20

        @Option(name: .shortAndLong, help: "The folder to write to.")
        var output: String

        func validate() throws {
            if train < 1 || test < 0 {
                throw ValidationError("--train must be at least 1 and --test at least 0.")
            }
        }

        func run() throws {
            try CommandFailure.wrapping {
                let dataset = try loadDataset(dataset)
                let count = try SampleWriter(trainPerClass: train, testPerClass: test).write(
                    dataset, to: output)
                Console.result("\(output): \(count) files")
            }
        }
    }
}
