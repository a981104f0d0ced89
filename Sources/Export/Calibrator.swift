import Autodiff
import Kernels
import NeuralNetwork
import Training

/// What calibration images make of a folded network.
public struct Observations: Equatable, Sendable {
    /// How the outputs of each node that is rounded to a scale of its own are distributed, by its place.
    public var histograms: [Int: ActivationHistogram] = [:]
    /// The largest magnitude of each channel of those outputs.
    public var channelMaxima: [Int: [Float]] = [:]
    /// The mean of every channel that comes into the weighted nodes (of a dense one, of every number).
    public var inputMeans: [Int: [Float]] = [:]

    /// The magnitudes that become the largest of `levels` steps.
    public func ranges(_ method: CalibrationMethod, levels: Int) -> [Int: Float] {
        histograms.mapValues { $0.range(method, levels: levels) }
    }
}

/// Runs calibration images through a float network and counts what its layers give.
public enum Calibrator {
    /// Two passes: the first finds the maxima, the second fills the bins.
    public static func observe(
        _ network: FusedNetwork, images: LabelledImages, workers: Workers, batch: Int = 128
    ) throws(ExportError) -> Observations {
        let runner = try FoldedRunner(network, batch: min(batch, max(images.count, 1)), workers: workers)
        var found = Observations()
        let rescaled = network.nodes.indices.dropLast().filter { network.nodes[$0].isRescaled }
        let weighted = network.nodes.indices.filter { network.nodes[$0].isWeighted }
        var sums: [Int: [Double]] = [:]
        runner.run(images) { count in
            for index in rescaled {
                let channels = network.nodes[index].channels
                found.channelMaxima[index, default: [Float](repeating: 0, count: channels)].raise(
                    to: runner.output(index, count))
            }
            for index in weighted {
                let source = network.nodes[index].inputs[0]
                let shape = network.inputShape(network.nodes[index])
                sums[index, default: [Double](repeating: 0, count: shape[shape.rank - 1])].add(
                    runner.output(source, count))
            }
        }
        for index in rescaled where !(found.channelMaxima[index] ?? []).allSatisfy(\.isFinite) {
            let node = network.nodes[index]
            throw .unsupported(
                "layer \(node.layer) (\(node.name)) gives numbers that are infinite or none for calibration images; "
                    + "look at its weights, or train it again with a smaller learning rate")
        }
        for index in weighted {
            let shape = network.inputShape(network.nodes[index])
            let numbers = Double(images.count * shape.count / shape[shape.rank - 1])
            found.inputMeans[index] = sums[index]?.map { Float($0 / max(numbers, 1)) }
        }
        for index in rescaled {
            found.histograms[index] = ActivationHistogram(maximum: found.channelMaxima[index]?.max() ?? 0)
        }
        runner.run(images) { count in
            // What an activation cuts off is zero already.
            for index in rescaled { found.histograms[index]?.add(runner.output(index, count), relu: false) }
        }
        return found
    }
}

extension [Float] {
    /// The largest magnitudes of each channel, channels innermost; one that is no number stays.
    fileprivate mutating func raise(to values: UnsafeBufferPointer<Float>) {
        withUnsafeMutableBufferPointer { maxima in
            var channel = 0
            for value in values {
                let magnitude = abs(value)
                if magnitude > maxima[channel] || magnitude.isNaN { maxima[channel] = magnitude }
                channel = channel + 1 == maxima.count ? 0 : channel + 1
            }
        }
    }
}

extension [Double] {
    /// Sums of each channel, channels innermost.
    fileprivate mutating func add(_ values: UnsafeBufferPointer<Float>) {
        withUnsafeMutableBufferPointer { sums in
            var channel = 0
            for value in values {
                sums[channel] += Double(value)
                channel = channel + 1 == sums.count ? 0 : channel + 1
            }
        }
    }
}

/// Runs a folded network in float and keeps what every node gives.
final class FoldedRunner {
    private let network: FusedNetwork
    private let image: Value
    private let outputs: [Value]
    private let executor: PortableExecutor
    private let batch: Int

    init(_ network: FusedNetwork, batch: Int, workers: Workers) throws(ExportError) {
        self.network = network
        self.batch = batch
        let graph = Graph()
        image = graph.input([batch, network.input[1], network.input[2], network.input[3]])
        let leaves = network.leaves(in: graph)
        outputs = network.record(image, leaves).outputs
        do {
            executor = PortableExecutor(
                try Plan(graph, outputs: outputs + [image] + leaves), workers: workers)
            for (leaf, numbers) in zip(leaves, network.parameters) { try executor.write(numbers, to: leaf) }
        } catch {
            throw .unsupported("its graph cannot be planned: \(error)")
        }
    }

    /// Runs batch after batch; `body` gets the number of images of each.
    func run(_ images: LabelledImages, _ body: (Int) -> Void) {
        let size = images.geometry.byteCount
        precondition(size == network.input.count, "images have the network's geometry")
        images.pixels.withUnsafeBufferPointer { pixels in
            for start in stride(from: 0, to: images.count, by: batch) {
                let count = min(batch, images.count - start)
                network.preprocessing.apply(
                    UnsafeBufferPointer(rebasing: pixels[(start * size)..<((start + count) * size)]),
                    to: executor.buffer(of: image), workers: executor.workers)
                executor.run()
                body(count)
            }
        }
    }

    /// What a node (−1: the picture) gave for the first `count` images of the last batch.
    func output(_ node: Int, _ count: Int) -> UnsafeBufferPointer<Float> {
        let shape = node < 0 ? network.input : network.nodes[node].shape
        let buffer = executor.buffer(of: node < 0 ? image : outputs[node])
        return UnsafeBufferPointer(rebasing: buffer[..<(count * shape.count)])
    }
}

extension FusedNetwork {
    /// One row of float logits for each image.
    public func logits(_ images: LabelledImages, workers: Workers) throws(ExportError) -> [Float] {
        let runner = try FoldedRunner(self, batch: min(128, max(images.count, 1)), workers: workers)
        var logits: [Float] = []
        runner.run(images) { logits += runner.output(nodes.count - 1, $0) }
        return logits
    }
}
