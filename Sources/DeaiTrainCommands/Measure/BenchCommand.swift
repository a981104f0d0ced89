import ArgumentParser
import Foundation
import Kernels
import NeuralNetwork
import Training

/// `deai-train bench`: training and inference speed on random pixels, with the field names of the PyTorch baseline.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure training and inference speed of the preset networks.",
        discussion: """
            Best of three windows after a warm-up, on 28x28 grey images of random pixels. `make bench` alternates \
            this command with PyTorch and prints the ratios.
            """)

    @Option(help: "Preset networks, separated by commas.")
    var model = "lenet5,convnet"

    @Option(help: "Images in a training step.")
    var batch = 128

    @Option(help: "Seconds of a measured window.")
    var seconds = 1.5

    @Option(help: "Threads.")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func validate() throws {
        guard batch > 0, batch <= 4096 else { throw ValidationError("--batch must be between 1 and 4096") }
        guard threads > 0 else { throw ValidationError("--threads must be at least 1") }
        guard seconds > 0, seconds <= 600 else { throw ValidationError("--seconds must be between 0 and 600") }
    }

    func run() throws {
        for name in model.split(separator: ",").map(String.init) {
            let row = try measure(Preset.named(name))
            if json {
                Console.json(row)
            } else {
                Console.result(
                    "\(row.model): training \(ProgressBar.quantity(row.train_images_per_second)) images/s, "
                        + "inference \(ProgressBar.quantity(row.infer_images_per_second)) images/s, "
                        + "single image \(ProgressBar.quantity(row.single_image_microseconds)) us "
                        + "(batch \(batch), \(threads) threads)")
            }
        }
    }

    /// One line of output; the names are those of the baseline script.
    struct Row: Encodable {
        let model: String
        let batch: Int
        let threads: Int
        let executor: String
        let train_images_per_second: Double
        let infer_images_per_second: Double
        let single_image_microseconds: Double
    }

    private func measure(_ preset: Preset) throws -> Row {
        let network = try Network(preset.architecture(height: 28, width: 28, channels: 1, classes: 10))
        let preprocessing = Preprocessing(zeroPoints: [73], scale: 1 / 90)
        let workers = threads == 1 ? Workers.serial : Workers.threads(threads)
        var random = SplitMix64(seed: 1)
        let pixels = (0..<batch * network.architecture.inputCount).map { _ in UInt8(random.index(below: 256)) }
        let labels = (0..<batch).map { _ in UInt8(random.index(below: 10)) }

        let learner = try Learner(
            network: network, preprocessing: preprocessing, batch: batch,
            optimizer: SGD(learningRate: 0.01, momentum: 0.9), seed: 1, workers: workers)
        let parameters = learner.variables
        let trained = try rate(images: batch) {
            _ = try pixels.withUnsafeBufferPointer { pixels in
                try labels.withUnsafeBufferPointer { try learner.step(pixels: pixels, labels: $0) }
            }
        }
        func inferred(_ count: Int) throws -> Double {
            let evaluator = try Evaluator(
                network: network, preprocessing: preprocessing, batch: count, workers: workers)
            return try rate(images: count) {
                _ = try pixels.withUnsafeBufferPointer {
                    try evaluator.logits(
                        pixels: UnsafeBufferPointer(rebasing: $0[..<(count * network.architecture.inputCount)]),
                        count: count, parameters: parameters)
                }
            }
        }
        return Row(
            model: "\(preset.name)", batch: batch, threads: threads, executor: "portable",
            train_images_per_second: trained.rounded(),
            infer_images_per_second: try inferred(batch).rounded(),
            single_image_microseconds: 1e6 / (try inferred(1)))
    }

    /// Best images per second over three windows, after a warm-up of five steps.
    private func rate(images: Int, _ step: () throws -> Void) throws -> Double {
        for _ in 0..<5 { try step() }
        var best = 0.0
        for _ in 0..<3 {
            let start = ContinuousClock.now
            var steps = 0
            var elapsed = 0.0
            repeat {
                try step()
                steps += 1
                elapsed = (ContinuousClock.now - start) / .seconds(1)
            } while elapsed < seconds
            best = max(best, Double(images * steps) / elapsed)
        }
        return best
    }
}
