import NeuralNetwork

/// Where and how a training run lost its way, with advice.
public struct Divergence: Equatable, Sendable, CustomStringConvertible {
    /// The first thing in the forward pass that is not finite.
    public enum Place: Equatable, Sendable {
        /// A number of the layer itself.
        case parameters(layer: Int, name: String)
        /// What the layer gives.
        case activations(layer: Int, name: String)
        /// Only the loss, of the finite numbers that the last layer gives.
        case loss(layer: Int, name: String, largest: Float)
    }

    /// Counted from 1.
    public var epoch: Int
    public var step: Int
    /// Of the step.
    public var learningRate: Float
    /// Before the schedule.
    public var baseRate: Float
    /// The mean loss of the epoch where it is finite.
    public var loss: Double?
    /// Nil when the loss is finite.
    public var place: Place?

    public init(
        epoch: Int, step: Int, learningRate: Float, baseRate: Float, loss: Double?, place: Place?
    ) {
        self.epoch = epoch
        self.step = step
        self.learningRate = learningRate
        self.baseRate = baseRate
        self.loss = loss
        self.place = place
    }

    public var description: String {
        let what =
            loss.map { "the mean loss of \($0) is far above that of guessing" } ?? "the loss is not a number"
        let layer =
            switch place {
            case .parameters(let layer, let name)?:
                "; first not finite: the weights of layer \(layer) (\(name))"
            case .activations(let layer, let name)?:
                "; first not finite: the output of layer \(layer) (\(name))"
            case .loss(let layer, let name, let largest)?:
                "; first not finite: the loss, of outputs up to \(largest) of layer \(layer) (\(name))"
            case nil: ""
            }
        return "\(what) at step \(step) of epoch \(epoch) (learning rate \(learningRate))\(layer). "
            + "Try a smaller --learning-rate, such as \(min(baseRate / 5, 0.05)); `deai-train lr-find` looks for one. "
            + "--warmup 1 or --clip 1 help where only the first steps or rare batches go wrong. What was saved before is kept."
    }

    /// The first layer whose weights or output for `pixels` are not finite, or the last where only the loss is not.
    static func place(
        in network: Network, _ preprocessing: Preprocessing, parameters: [[Float]], pixels: [UInt8]
    ) throws(RunError) -> Place? {
        func name(_ layer: Int) -> String { network.layerName(layer) }
        for (spec, array) in zip(network.parameters, parameters) where !array.allSatisfy(\.isFinite) {
            return .parameters(layer: spec.layer, name: name(spec.layer))
        }
        let images = pixels.count / network.architecture.inputCount
        do {
            let evaluator = try Evaluator(
                network: network, preprocessing: preprocessing, batch: images, observing: true)
            _ = try pixels.withUnsafeBufferPointer { pixels throws(LearnerError) in
                try evaluator.logits(pixels: pixels, count: images, parameters: parameters)
            }
            for layer in network.architecture.layers.indices
            where !evaluator.activation(ofLayer: layer).allSatisfy(\.isFinite) {
                return .activations(layer: layer, name: name(layer))
            }
            let last = network.architecture.layers.count - 1
            let largest = evaluator.activation(ofLayer: last).reduce(0) { max($0, abs($1)) }
            return .loss(layer: last, name: name(last), largest: largest)
        } catch {
            throw .invalid(error.explanation)
        }
    }
}

extension Network {
    func layerName(_ layer: Int) -> String { "\(architecture.layers[layer].name)" }
}
