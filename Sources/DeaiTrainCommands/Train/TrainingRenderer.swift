import Foundation
import Training

/// Shows the events of a training run.
protocol TrainingRenderer {
    func render(_ event: TrainingEvent)
}

/// JSON Lines on standard output: every event, but of the steps only one per hundredth of an epoch.
struct JSONRenderer: TrainingRenderer {
    func render(_ event: TrainingEvent) {
        if case .step(let step) = event {
            let interval = max(step.stepsPerEpoch / 100, 1)
            guard step.step % interval == 0 || step.step == step.stepsPerEpoch else { return }
        }
        Console.result(event.json)
    }
}

/// A progress bar on a terminal, and a line per epoch everywhere.
final class ConsoleRenderer: TrainingRenderer {
    private let runPath: String
    private var bar: ProgressBar?
    private var start: TrainingEvent.Start?
    /// Images seen since this process began, and those it has to see.
    private var seen = 0
    private var before = 0
    private var total = 0

    init(runPath: String) {
        self.runPath = runPath
    }

    func render(_ event: TrainingEvent) {
        switch event {
        case .started(let start): begin(start)
        case .step(let step): advance(step)
        case .epoch(let epoch): finish(epoch)
        case .saved: break
        case .interrupted(let epoch, let step):
            bar?.clear()
            Console.note("stopped in epoch \(epoch) after \(step) steps; saved")
        case .finished: bar?.clear()
        }
    }

    private func begin(_ start: TrainingEvent.Start) {
        self.start = start
        Console.note(
            "\(start.network)\n\(ProgressBar.grouped(start.parameters)) parameters, "
                + "\(ProgressBar.grouped(start.trainImages)) images to train on, "
                + "\(ProgressBar.grouped(start.validationImages)) for validation, run \(runPath)")
        if let processes = start.processes { Console.note("\(processes) processes, each with its part of every step") }
        if start.resumedEpoch > 0 || start.resumedStep > 0 {
            Console.note("resumed after epoch \(start.resumedEpoch), step \(start.resumedStep)")
        }
        let done = start.trainImages * start.resumedStep / max(start.stepsPerEpoch, 1)
        before = start.resumedEpoch * start.trainImages + done
        total = start.epochs * start.trainImages - before
        bar = ProgressBar("fit", unit: "images")
    }

    private func advance(_ step: TrainingEvent.Step) {
        guard let start else { return }
        seen = max((step.epoch - 1) * start.trainImages + step.images - before, 0)
        bar?.update(
            Double(seen), of: Double(total),
            detail: String(
                format: "epoch %d/%d  loss %.4f  accuracy %.1f %%", step.epoch, start.epochs, step.meanLoss,
                step.accuracy * 100))
    }

    private func finish(_ epoch: TrainingEvent.Epoch) {
        bar?.clear()
        var line = String(
            format: "epoch %d/%d  loss %.4f  accuracy %.2f %%", epoch.epoch, epoch.epochs, epoch.trainLoss,
            epoch.trainAccuracy * 100)
        if let loss = epoch.validationLoss, let accuracy = epoch.validationAccuracy {
            line += String(format: "  validation loss %.4f  accuracy %.2f %%", loss, accuracy * 100)
        }
        if let rate = epoch.imagesPerSecond { line += "  \(ProgressBar.quantity(rate)) images/s" }
        Console.note(line + (epoch.best ? "  best" : ""))
    }
}
