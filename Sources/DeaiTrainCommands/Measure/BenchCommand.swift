import ArgumentParser
import Foundation
import NeuralNetwork
import Training

/// `deai-train bench`: training and inference speed on random pixels, with the field names of the PyTorch baseline.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure training and inference speed of networks.",
        discussion: """
            Best of three windows after a warm-up, on 28x28 grey images of random pixels. `make bench` alternates \
            this command with PyTorch and prints the ratios. Inference is of the network as it is used: batch \
            normalisation is part of the weights of the convolutions.
            """)

    @Option(help: "Networks, separated by commas: presets, with a width such as mobilenet:0.5, or .json files.")
    var model = "lenet5,convnet,resnet8"

    @Option(help: "Images in a training step.")
    var batch = 128

    @Option(help: "Seconds of a measured window.")
    var seconds = 1.5

    @Option(help: "Threads.")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "accelerated or portable. Default: accelerated where oneDNN is.")
    var executor: ExecutorKind?

    @Flag(help: "Print the time of each kind of call in a training step too (accelerated executor).")
    var profile = false

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func validate() throws {
        guard model.split(separator: ",").count > 0 else { throw ValidationError("--model names no network") }
        guard batch > 0, batch <= 4096 else { throw ValidationError("--batch must be between 1 and 4096") }
        guard (1...1024).contains(threads) else { throw ValidationError("--threads must be between 1 and 1024") }
        guard seconds > 0, seconds <= 600 else { throw ValidationError("--seconds must be above 0 and at most 600") }
    }

    func run() throws {
        try CommandFailure.wrapping {
            for name in model.split(separator: ",").map(String.init) {
                let network = try NetworkDescription.architecture(
                    named: name, input: ImageGeometry(height: 28, width: 28, channels: 1), classes: 10)
                let bench = try Benchmark(
                    network, executor: executor ?? .usual, batch: batch, threads: threads, seconds: seconds)
                let row = try measure(name, bench)
                if json { Console.json(row) } else { report(row) }
            }
        }
    }

    /// One line of output; the names are those of the baseline script where it has them.
    struct Row: Encodable {
        let model: String
        let batch: Int
        let threads: Int
        let executor: String
        let train_images_per_second: Double
        let infer_images_per_second: Double
        let single_image_microseconds: Double
        /// Processor time of a training step, all threads together: what a busy machine changes least.
        let train_cpu_microseconds: Double
        let infer_cpu_microseconds: Double
        /// Of the machine, multiplications and additions in registers.
        let peak_gflops: Double?
        /// Operations of direct convolutions a second, over the peak.
        let train_share_of_peak: Double?
        let infer_share_of_peak: Double?
        /// Of the process so far.
        let memory_megabytes: Double
        let profile: [Benchmark.Call]?
    }

    private func measure(_ name: String, _ bench: Benchmark) throws -> Row {
        let training = try bench.training()
        let inference = try bench.inference(images: batch)
        let single = try bench.inference(images: 1)
        let peak = try bench.peak()
        func share(_ rate: Double, _ operations: Double) -> Double? {
            peak.map { (1000 * rate * operations / $0).rounded() / 1000 }
        }
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        return Row(
            model: name, batch: batch, threads: threads, executor: bench.executor.rawValue,
            train_images_per_second: training.imagesPerSecond.rounded(),
            infer_images_per_second: inference.imagesPerSecond.rounded(),
            single_image_microseconds: (1e7 / single.imagesPerSecond).rounded() / 10,
            train_cpu_microseconds: training.processorMicroseconds.rounded(),
            infer_cpu_microseconds: inference.processorMicroseconds.rounded(),
            peak_gflops: peak.map { ($0 / 1e8).rounded() / 10 },
            train_share_of_peak: share(training.imagesPerSecond, bench.trainingOperations),
            infer_share_of_peak: share(inference.imagesPerSecond, bench.inferenceOperations),
            memory_megabytes: (Double(usage.ru_maxrss) / 102.4).rounded() / 10,
            profile: profile ? try bench.profile() : nil)
    }

    private func report(_ row: Row) {
        var line =
            "\(row.model): training \(ProgressBar.quantity(row.train_images_per_second)) images/s, "
            + "inference \(ProgressBar.quantity(row.infer_images_per_second)) images/s, "
            + "single image \(ProgressBar.quantity(row.single_image_microseconds)) us "
            + "(batch \(batch), \(threads) threads, \(row.executor))"
        if let peak = row.peak_gflops, let trained = row.train_share_of_peak, let used = row.infer_share_of_peak {
            line += String(
                format: "; %.0f %% and %.0f %% of %.0f GFLOP/s", trained * 100, used * 100, peak)
        }
        Console.result(line + String(format: ", %.0f MB", row.memory_megabytes))
        guard let calls = row.profile else { return }
        let total = calls.reduce(0) { $0 + $1.microseconds }
        let rows = calls.map { call in
            [
                call.name, "\(call.calls)", String(format: "%.0f us", call.microseconds),
                String(format: "%.1f %%", 100 * call.microseconds / max(total, 1)),
            ]
        }
        for line in table([["CALL", "TIMES", "TIME", "SHARE"]] + rows, rightAligned: [1, 2, 3]) { Console.result("  " + line) }
    }
}
