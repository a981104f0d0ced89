import Autodiff
import Kernels

/// A network in use: logits for any number of images, in batches of a planned size.
public final class Evaluator {
    public let network: Network
    public let preprocessing: Preprocessing
    public let batch: Int
    private let images: Value
    private let parameters: [Value]
    private let state: [Value]
    /// What every step gives when observing, else the logits alone.
    private let activations: [Value]
    private let executor: PortableExecutor

    /// - Parameter observing: keeps what every step gives, for `activation(ofStep:)` and `activation(ofLayer:)`.
    public init(
        network: Network, preprocessing: Preprocessing, batch: Int, workers: Workers = .serial,
        observing: Bool = false
    ) throws(LearnerError) {
        try preprocessing.check(network.architecture)
        guard batch > 0 else { throw .batch(capacity: batch, pixels: 0, labels: 0) }
        self.network = network
        self.preprocessing = preprocessing
        self.batch = batch
        let a = network.architecture
        let graph = Graph()
        images = graph.input([batch, a.inputHeight, a.inputWidth, a.inputChannels])
        parameters = network.parameterValues(in: graph)
        state = network.stateValues(in: graph)
        let pass = network.forward(input: images, parameters: parameters, .evaluation(state: state))
        activations = observing ? pass.steps : [pass.logits]
        do {
            executor = PortableExecutor(
                try Plan(graph, outputs: activations + [images] + parameters + state), workers: workers)
        } catch {
            throw .graph(error)
        }
    }

    /// Logits of `count` images, one row of classes for each.
    ///
    /// - Parameter running: statistics in the order of `Network.state`.
    public func logits(
        pixels: UnsafeBufferPointer<UInt8>, count: Int, parameters arrays: [[Float]], state running: [[Float]]
    ) throws(LearnerError) -> [Float] {
        try answer(
            pixels, count: count, batch: batch, parameters: arrays, state: running,
            write: {
                for (array, value) in zip(arrays + running, parameters + state) {
                    copy(array, to: executor.buffer(of: value))
                }
            },
            run: { pixels in
                preprocessing.apply(pixels, to: executor.buffer(of: images), workers: executor.workers)
                executor.run()
                return executor.buffer(of: activations[activations.count - 1])
            })
    }

    /// What a layer of the architecture gave for the last batch that was run; only when observing.
    ///
    /// After `logits` of `count` images, the first `(count − 1) % batch + 1` images of it are of that batch.
    public func activation(ofLayer layer: Int) -> UnsafeBufferPointer<Float> {
        activation(ofStep: network.layerSteps[layer])
    }

    /// What one of `Network.steps` gave for the last batch that was run; only when observing.
    public func activation(ofStep step: Int) -> UnsafeBufferPointer<Float> {
        precondition(activations.count == network.steps.count, "not observing")
        return UnsafeBufferPointer(executor.buffer(of: activations[step]))
    }
}
