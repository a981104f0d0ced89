import ArgumentParser
import Foundation
import Kernels
import Training

/// `deai-train report`: the page, the pictures and the figures of a run.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Write report.html and the pictures of a run.",
        discussion: """
            fit does this at its end; report does it again, for a run that was stopped too. The page needs no other \
            file and no network.
            """)

    @Argument(help: ArgumentHelp("The folder of the run.", valueName: "run"))
    var path: String

    @Option(help: "Name or folder of the data set. Default: the one that it was trained on.")
    var dataset: String?

    @OptionGroup var threads: ThreadOptions

    func run() throws {
        try CommandFailure.wrapping {
            let (folder, configuration) = try RunFolder.open(path)
            let data = try loadDataset(of: configuration, orNamed: dataset)
                .matching(labels: configuration.labels)
            let part = FinishedRun.images(of: data, configuration)
            let logits = try FinishedRun.logits(folder, configuration, part.images, threads.workers)
            try FinishedRun.report(folder, configuration, part, logits)
            Console.result("\(path)/report.html")
        }
    }
}

/// What is measured with the best weights of a run.
enum FinishedRun {
    typealias Part = (split: String, images: LabelledImages)

    /// The test images or, where there are none, those held back.
    static func images(of dataset: Dataset, _ configuration: RunConfiguration) -> Part {
        if let test = dataset.test { return ("test", test) }
        let held = Split(
            targets: dataset.train.targets,
            validationFraction: configuration.hyperparameters.validationFraction,
            seed: configuration.hyperparameters.seed)
        return ("validation", dataset.train.subset(held.validation))
    }

    static func logits(
        _ folder: RunFolder, _ configuration: RunConfiguration, _ images: LabelledImages, _ workers: Workers
    ) throws -> [Float] {
        guard let best = try folder.load(.best, for: configuration) else {
            throw RunError.notARun(
                folder: folder.path, reason: "it has no weights yet; fit --resume goes on with it")
        }
        return try FloatClassifier(
            architecture: try configuration.network.architecture(),
            preprocessing: configuration.preprocessing,
            parameters: best.parameters, workers: workers, executor: configuration.executor ?? .portable
        ).logits(images)
    }

    static func report(
        _ folder: RunFolder, _ configuration: RunConfiguration, _ part: Part, _ logits: [Float]
    ) throws {
        try RunReport(
            configuration, log: RunLog(folder), split: part.split, images: part.images, logits: logits
        ).write(to: folder)
    }
}
