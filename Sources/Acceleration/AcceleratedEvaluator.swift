import Autodiff
import NeuralNetwork

/// A network in use on oneDNN: logits for any number of images, in batches of a planned size.
public final class AcceleratedEvaluator: EvaluationEngine {
    public let network: Network
    public let preprocessing: Preprocessing
    public let batch: Int
    public let executor: AcceleratedExecutor
    /// What runs: with batch normalisations in the weights of the convolutions before them.
    private let folded: FoldedNetwork
    private let images: Value
    private let parameters: [Value]
    private let state: [Value]
    private let logits: Value
    /// What was written last, to skip the reorders when it comes again.
    private var written: [[Float]] = []

    public init(network: Network, preprocessing: Preprocessing, batch: Int, threads: Int) throws {
        try preprocessing.check(network.architecture)
        guard batch > 0 else { throw LearnerError.batch(capacity: batch, pixels: 0, labels: 0) }
        self.network = network
        self.preprocessing = preprocessing
        self.batch = batch
        let a = network.architecture
        do { folded = try FoldedNetwork(network) } catch { preconditionFailure("a sound network cannot be folded") }
        let graph = Graph()
        images = graph.input([batch, a.inputHeight, a.inputWidth, a.inputChannels])
        parameters = folded.network.parameterValues(in: graph)
        state = folded.network.stateValues(in: graph)
        logits = folded.network.logits(input: images, parameters: parameters, state: state)
        let plan: Plan
        do {
            plan = try Plan(graph, outputs: [logits, images] + parameters + state)
        } catch {
            throw LearnerError.graph(error)
        }
        executor = try AcceleratedExecutor(plan, threads: threads)
    }

    /// Logits of `count` images, one row of classes for each.
    ///
    /// - Parameter running: statistics in the order of `Network.state`.
    public func logits(
        pixels: UnsafeBufferPointer<UInt8>, count: Int, parameters arrays: [[Float]], state running: [[Float]]
    ) throws(LearnerError) -> [Float] {
        try answer(
            pixels, count: count, batch: batch, parameters: arrays, state: running, write: { write(arrays, running) },
            run: { pixels in
                preprocessing.apply(pixels, to: executor.buffer(of: images), on: executor.library)
                executor.run()
                return executor.buffer(of: logits)
            })
    }

    private func write(_ arrays: [[Float]], _ running: [[Float]]) {
        let given = arrays + running
        if given == written { return }
        let made = folded.variables(parameters: arrays, state: running)
        for (array, value) in zip(made.parameters + made.state, parameters + state) {
            do {
                try executor.write(array, to: value)
            } catch {
                preconditionFailure("a reorder between known layouts was refused")
            }
        }
        written = given
    }
}
