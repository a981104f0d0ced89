/// What a training loop needs of a network in training, whatever runs it.
///
/// A loop is generic over its engine, so that code for embedded systems stays free of existentials.
public protocol TrainingEngine<Rule>: AnyObject {
    associatedtype Rule: Optimizer

    var network: Network { get }
    /// May change between steps, for instance its learning rate.
    var optimizer: Rule { get set }
    var options: StepOptions { get set }
    /// Nil when every step is this process's alone.
    var exchange: StepExchange? { get set }
    /// Says in which order the numbers of gradients stand; those of two engines may be added where it is equal.
    var gradientOrder: [UInt8] { get }
    /// How many steps were taken.
    var steps: Int { get }

    /// Learns from one batch; the last of an epoch may have fewer images, with an `exchange` even none.
    func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult

    /// Learns from one batch with a row of class weights for each image in place of one class.
    func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>,
        targets: UnsafeBufferPointer<Float>
    ) throws(LearnerError) -> StepResult

    /// Row-major, in declaration order.
    var parameters: [[Float]] { get }

    /// For each parameter its state, `stateSlots` row-major arrays one after the other.
    var optimizerState: [[Float]] { get }

    /// Running statistics, in the order of `Network.state`.
    var state: [[Float]] { get }

    /// Goes on from saved parameters, optimizer state and running statistics.
    func restore(
        parameters: [[Float]], optimizerState: [[Float]], state: [[Float]], steps: Int
    ) throws(LearnerError)
}

extension TrainingEngine {
    /// Parameters and then running statistics: all that a network needs to be used, in the form in which it is kept.
    public var variables: [[Float]] { parameters + state }

    /// Goes on from saved parameters, followed by running statistics where the network has any, and optimizer state.
    public func restore(parameters: [[Float]], optimizerState: [[Float]], steps: Int = 0) throws(LearnerError) {
        let (trained, running) = network.parted(parameters)
        try restore(parameters: trained, optimizerState: optimizerState, state: running, steps: steps)
    }
}

/// What is known of a step: of a process's own part before the exchange, of the whole after it.
public struct SharedStep: Equatable, Sendable {
    /// Mean cross entropy; 0 for no images.
    public var loss: Float = 0
    public var correct = 0
    /// Images of this process; after the exchange those that each statistic of a batch was taken over.
    public var images: Int

    package init(images: Int) { self.images = images }
}

/// Puts the parts that several processes took of one step together, between the gradients and the update.
///
/// `arrays` are the gradients and then the statistics of the batch; both become the same in every process.
public typealias StepExchange = (_ arrays: [UnsafeMutableBufferPointer<Float>], _ step: inout SharedStep) -> Void

/// What gives logits for any number of images, whatever runs it.
public protocol EvaluationEngine: AnyObject {
    var network: Network { get }

    /// One row of classes for each of `count` images.
    ///
    /// - Parameter state: running statistics in the order of `Network.state`.
    func logits(
        pixels: UnsafeBufferPointer<UInt8>, count: Int, parameters: [[Float]], state: [[Float]]
    ) throws(LearnerError) -> [Float]
}

extension EvaluationEngine {
    /// Logits from parameters, followed by running statistics where the network has any.
    public func logits(
        pixels: UnsafeBufferPointer<UInt8>, count: Int, parameters: [[Float]]
    ) throws(LearnerError) -> [Float] {
        let (trained, running) = network.parted(parameters)
        return try logits(pixels: pixels, count: count, parameters: trained, state: running)
    }

    /// Checks what `logits` was given, has the variables written, and goes through the images, `batch` at a time.
    ///
    /// - Parameter run: gives the logits of the images whose pixels it gets.
    package func answer(
        _ pixels: UnsafeBufferPointer<UInt8>, count: Int, batch: Int, parameters: [[Float]], state: [[Float]],
        write: () -> Void, run: (UnsafeBufferPointer<UInt8>) -> UnsafeMutableBufferPointer<Float>
    ) throws(LearnerError) -> [Float] {
        let inputCount = network.architecture.inputCount
        let classes = network.architecture.classes
        guard count >= 0, pixels.count == count * inputCount else {
            throw .batch(capacity: batch, pixels: pixels.count, labels: count)
        }
        try check(parameters, network.parameters.map { $0.count })
        try check(state, network.state.map { $0.count })
        write()
        var result: [Float] = []
        result.reserveCapacity(count * classes)
        var done = 0
        while done < count {
            let here = min(batch, count - done)
            let logits = run(UnsafeBufferPointer(rebasing: pixels[done * inputCount..<(done + here) * inputCount]))
            for i in 0..<here * classes { result.append(logits[i]) }
            done += here
        }
        return result
    }
}

extension Learner: TrainingEngine {}
extension Evaluator: EvaluationEngine {}
