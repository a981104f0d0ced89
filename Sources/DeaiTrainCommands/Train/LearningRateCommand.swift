import ArgumentParser
import Foundation
import Kernels
import NeuralNetwork
import Training

/// `deai-train lr-find`: which learning rate to begin with.
struct LearningRateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lr-find", abstract: "Find a learning rate: growing rates on a fresh network.",
        discussion: """
            Takes the options of fit that change what a step does. The suggestion is a tenth of the rate at which the \
            smoothed loss is least, or the rate at which it falls most if that is less. Nothing is kept.
            """)

    @Option(help: "Name or folder of the data set. Default: fashion-mnist.")
    var dataset = "fashion-mnist"

    @Option(
        help: """
            The network: \(FitCommand.modelNames), with a width such as mobilenet:0.5, or a .json file. \
            Default: lenet5.
            """)
    var model = "lenet5"

    @OptionGroup(title: "Training") var choices: StepChoices

    /// Taken, so that the options of a fit can be given as they are, and without effect: the rates are those tried.
    @OptionGroup(visibility: .hidden) var course: CourseChoices

    @Option(help: "accelerated or portable. Default: accelerated where oneDNN is.")
    var executor: ExecutorKind?

    @Option(help: "The first rate.")
    var from: Float = 0.00001

    @Option(help: "The last rate.")
    var to: Float = 10

    @Option(help: "Steps from the first rate to the last.")
    var steps = 200

    @Option(help: "Draw the curve into this PNG file.")
    var plot: String?

    @OptionGroup var images: ImageOptions
    @OptionGroup var threads: ThreadOptions

    @Flag(help: "JSON Lines on standard output: every step, then the advice.")
    var json = false

    private struct Advice: Encodable {
        let suggestion: Float
        let steepest: Float
        let diverged: Bool
    }

    func run() throws {
        try CommandFailure.wrapping {
            let data = try loadDataset(dataset, geometry: images.input, unreadable: images.unreadable)
            let geometry = data.geometry
            let architecture = try NetworkDescription.architecture(
                named: model, input: geometry, classes: data.labels.count)
            let configuration = try RunConfiguration(
                toolkitVersion: Toolkit.version, dataset: data, network: architecture,
                hyperparameters: choices.applied(to: Hyperparameters()), executor: executor ?? .usual)
            let bar = ProgressBar("lr-find", unit: "steps", enabled: Console.showsProgress && !json)
            var done = 0.0
            let result = try RateFinder(configuration, dataset: data, workers: threads.workers).run(
                from: from, to: to, steps: steps
            ) { point in
                done += 1
                if json { Console.result(EventRecord("step", point).json) }
                bar.update(done, of: Double(steps), detail: String(format: "loss %.4f", point.smoothed))
            }
            bar.clear()
            if let plot { try RateFinder.plot(result, to: plot) }
            report(result)
        }
    }

    private func report(_ result: RateFinder.Result) {
        if json {
            let advice = Advice(
                suggestion: result.suggestion, steepest: result.steepest, diverged: result.diverged)
            Console.result(EventRecord("finished", advice).json)
            return
        }
        let stride = max(result.points.count / 16, 1)
        let shown = result.points.indices.filter { $0 % stride == 0 }.map { result.points[$0] }
        let rows =
            [["RATE", "LOSS"]]
            + shown.map { [String(format: "%.2e", $0.learningRate), String(format: "%.4f", $0.smoothed)] }
        for line in table(rows, rightAligned: [0, 1]) { Console.result(line) }
        Console.result(
            "suggested --learning-rate \(String(format: "%.2g", result.suggestion)) "
                + "(steepest fall at \(String(format: "%.2g", result.steepest))"
                + (result.diverged
                    ? ", diverged at " + String(format: "%.2g)", result.points.last?.learningRate ?? 0) : ")")
        )
        if !result.diverged {
            Console.note("the loss never grew much: try a larger --to as well")
        }
    }
}
