/// What a training loop needs of a network in training, whatever runs it.
///
/// A loop is generic over its engine, so that code for embedded systems stays free of existentials.
public protocol TrainingEngine<Rule>: AnyObject {
    associatedtype Rule: Optimizer

    var network: Network { get }
    /// May change between steps, for instance its learning rate.
    var optimizer: Rule { get set }
    /// How many steps were taken.
    var steps: Int { get }

    /// Learns from one batch; the last of an epoch may have fewer images.
    func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult

    /// Row-major, in declaration order.
    var parameters: [[Float]] { get }

    /// For each parameter its state, `stateSlots` row-major arrays one after the other.
    var optimizerState: [[Float]] { get }

    /// Goes on from saved parameters and optimizer state.
    func restore(parameters: [[Float]], optimizerState: [[Float]], steps: Int) throws(LearnerError)
}

/// What gives logits for any number of images, whatever runs it.
public protocol EvaluationEngine: AnyObject {
    /// One row of classes for each of `count` images.
    func logits(
        pixels: UnsafeBufferPointer<UInt8>, count: Int, parameters: [[Float]]
    ) throws(LearnerError) -> [Float]
}

extension Learner: TrainingEngine {}
extension Evaluator: EvaluationEngine {}
