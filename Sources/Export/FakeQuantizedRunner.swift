import Autodiff
import Inference
import Kernels
import Training

/// Runs an integer model as float ops, and keeps what every layer gives.
public final class FakeQuantizedRunner {
    private let network: FakeQuantizedNetwork
    private let executor: PortableExecutor
    private let batch: Int

    /// - Parameter parameters: weights and biases in place of those of the model.
    init(
        _ model: QuantizedModel, parameters: [[Float]]? = nil, batch: Int, workers: Workers
    ) throws(ExportError) {
        self.batch = batch
        network = try FakeQuantizedNetwork(model, batch: batch)
        do {
            executor = PortableExecutor(
                try Plan(network.graph, outputs: network.outputs + network.kept), workers: workers)
        } catch {
            throw .unsupported("its integer form cannot be planned: \(error)")
        }
        network.prepare(executor, parameters: parameters ?? FakeQuantizedNetwork.parameters(model))
    }

    /// The integer logits that float ops predict, one row for each image: those of `IntegerExecutor`.
    public static func logits(
        _ model: QuantizedModel, _ images: LabelledImages, workers: Workers
    ) throws(ExportError) -> [Float] {
        let runner = try FakeQuantizedRunner(model, batch: min(100, max(images.count, 1)), workers: workers)
        var logits: [Float] = []
        runner.run(images) { logits += runner.output(model.layers.count - 1, $0) }
        return logits
    }

    /// Runs batch after batch; `body` gets the number of images of each.
    func run(_ images: LabelledImages, _ body: (Int) -> Void) {
        let size = images.geometry.byteCount
        images.pixels.withUnsafeBufferPointer { pixels in
            for start in stride(from: 0, to: images.count, by: batch) {
                let count = min(batch, images.count - start)
                network.write(
                    UnsafeBufferPointer(rebasing: pixels[(start * size)..<((start + count) * size)]),
                    to: executor.buffer(of: network.image))
                executor.run()
                body(count)
            }
        }
    }

    /// The integers that a layer gave for the first `count` images of the last batch.
    func output(_ layer: Int, _ count: Int) -> UnsafeBufferPointer<Float> {
        let value = network.outputs[layer]
        return UnsafeBufferPointer(rebasing: executor.buffer(of: value)[..<(count * value.shape.count / batch)])
    }
}
