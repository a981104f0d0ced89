import Autodiff
import Foundation
import Inference
import Kernels
import Training

/// How far every layer of an integer model is from the float network, as signal-to-noise ratios.
public struct LayerReport: Equatable, Sendable, Codable {
    public struct Row: Equatable, Sendable, Codable {
        /// Place in the layers of the .deai file.
        public var layer: Int
        public var name: String
        /// Decibels of noise that this layer adds by itself: its inputs are those of the float network, rounded.
        public var ownDecibels: Double
        /// Decibels of all noise up to here.
        public var decibels: Double
    }

    public var rows: [Row]
    public var images: Int

    /// The layer that adds the most noise.
    public var worst: Row? { rows.min { $0.ownDecibels < $1.ownDecibels } }

    /// Compares layer by layer on some images.
    public init(
        _ network: FusedNetwork, _ quantization: Quantization, images: LabelledImages, workers: Workers
    ) throws(ExportError) {
        let comparison = try Comparison(network, quantization, batch: min(50, max(images.count, 1)), workers: workers)
        self.images = images.count
        rows = comparison.run(images)
    }
}

/// One graph with three forward passes: float, integer, and integer with inputs from the float one.
private final class Comparison {
    private let network: FusedNetwork
    private let quantization: Quantization
    private let image: Value
    private let float: [Value]
    private let whole: FakeQuantizedNetwork
    private let single: FakeQuantizedNetwork
    private let executor: PortableExecutor
    private let batch: Int
    /// Places of the nodes that are compared.
    private let compared: [Int]

    init(
        _ network: FusedNetwork, _ quantization: Quantization, batch: Int, workers: Workers
    ) throws(ExportError) {
        self.network = network
        self.quantization = quantization
        self.batch = batch
        let model = quantization.model
        let graph = Graph()
        image = graph.input([batch, network.input[1], network.input[2], network.input[3]])
        let leaves = network.leaves(in: graph)
        let float = network.record(image, leaves).outputs
        let whole = try FakeQuantizedNetwork(model, batch: batch, in: graph)
        let integers = whole.image
        let single = try FakeQuantizedNetwork(model, batch: batch, in: graph) { layer in
            quantization.operands[layer].map { node in
                guard node >= 0 else { return integers }
                let bound = Float(model.plan[quantization.layers[node]].outputBound)
                return Autodiff.round(clamp(float[node] * Float(1 / quantization.steps[node]), -bound, bound))
            }
        }
        (self.float, self.whole, self.single) = (float, whole, single)
        let compared = network.nodes.indices.filter { network.nodes[$0].isRescaled }
        self.compared = compared
        let places = compared.map { quantization.layers[$0] }
        let outputs = compared.map { float[$0] } + places.map { whole.outputs[$0] } + places.map { single.outputs[$0] }
        do {
            executor = PortableExecutor(
                try Plan(graph, outputs: outputs + [image] + leaves + whole.kept + single.kept), workers: workers)
            for (leaf, numbers) in zip(leaves, network.parameters) { try executor.write(numbers, to: leaf) }
        } catch {
            throw .unsupported("its layers cannot be compared: \(error)")
        }
        let parameters = FakeQuantizedNetwork.parameters(model)
        whole.prepare(executor, parameters: parameters)
        single.prepare(executor, parameters: parameters)
    }

    func run(_ images: LabelledImages) -> [LayerReport.Row] {
        let size = images.geometry.byteCount
        var signals = [Double](repeating: 0, count: compared.count)
        var noises = signals
        var ownNoises = signals
        images.pixels.withUnsafeBufferPointer { pixels in
            for start in stride(from: 0, to: images.count, by: batch) {
                let count = min(batch, images.count - start)
                let part = UnsafeBufferPointer(rebasing: pixels[(start * size)..<((start + count) * size)])
                network.preprocessing.apply(part, to: executor.buffer(of: image), workers: .serial)
                whole.write(part, to: executor.buffer(of: whole.image))
                single.write(part, to: executor.buffer(of: single.image))
                executor.run()
                for (row, node) in compared.enumerated() {
                    let layer = quantization.layers[node]
                    let numbers = executor.buffer(of: float[node])
                    let used = numbers.count / batch * count
                    let step = Float(quantization.steps[node])
                    signals[row] += numbers[..<used].reduce(0.0) { $0 + Double($1) * Double($1) }
                    noises[row] += noise(numbers, executor.buffer(of: whole.outputs[layer]), step, used)
                    ownNoises[row] += noise(numbers, executor.buffer(of: single.outputs[layer]), step, used)
                }
            }
        }
        return compared.indices.map { row in
            let layer = quantization.layers[compared[row]]
            return LayerReport.Row(
                layer: layer, name: ModelSummary.text(quantization.model.layers[layer]),
                ownDecibels: decibels(signals[row], ownNoises[row]), decibels: decibels(signals[row], noises[row]))
        }
    }

    private func noise(
        _ float: UnsafeMutableBufferPointer<Float>, _ integers: UnsafeMutableBufferPointer<Float>, _ step: Float,
        _ count: Int
    ) -> Double {
        var sum = 0.0
        for place in 0..<count {
            let difference = Double(float[place] - integers[place] * step)
            sum += difference * difference
        }
        return sum
    }

    /// At most 120, which is all that binary32 has.
    private func decibels(_ signal: Double, _ noise: Double) -> Double {
        let ratio = 10 * log10(max(signal, 1e-30) / max(noise, 1e-30))
        return (min(max(ratio, -120), 120) * 100).rounded() / 100
    }
}
