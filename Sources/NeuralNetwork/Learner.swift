import Autodiff
import Digests
import Kernels

/// Why a network could not be trained or evaluated.
public enum LearnerError: Error, Equatable, Sendable {
    /// Pixels and labels of a batch do not go together, or are none or too many.
    case batch(capacity: Int, pixels: Int, labels: Int)
    /// A label that is no class, at this place of the batch.
    case label(index: Int, label: UInt8, classes: Int)
    /// Zero points: one for each channel.
    case preprocessing(channels: Int, zeroPoints: Int)
    /// Arrays to restore are not those of the network.
    case parameters(array: Int, expected: Int, found: Int)
    /// The loss of this step (counted from 0) is infinite or not a number; parameters are those before it.
    case notFinite(step: Int)
    case graph(AutodiffError)
}

/// What one training step saw, before it moved the parameters.
public struct StepResult: Equatable, Sendable {
    /// Mean cross entropy of the batch.
    public let loss: Float
    /// How many images had their largest logit (the first of equals) at the label.
    public let correct: Int
}

/// A network in training: parameters, optimizer state and the planned step.
public final class Learner<O: Optimizer> {
    public let network: Network
    public let preprocessing: Preprocessing
    /// Most images of one step.
    public let batch: Int
    /// May change between steps, for instance its learning rate.
    public var optimizer: O
    /// How many steps were taken.
    public private(set) var steps = 0
    private let executor: PortableExecutor
    private let graph: TrainingGraph
    private var state: [Float]

    /// - Parameter seed: of the starting parameters.
    public init(
        network: Network, preprocessing: Preprocessing, batch: Int, optimizer: O, seed: UInt64,
        workers: Workers = .serial
    ) throws(LearnerError) {
        fatalError("being written")
    }

    /// Size of the arena of a step, in bytes.
    public var arenaBytes: Int { executor.plan.arenaBytes }

    /// Learns from one batch; the last of an epoch may have fewer images.
    ///
    /// - Parameters:
    ///   - pixels: images one after the other, rows, columns and channels as in the architecture.
    ///   - labels: one class index for each image.
    public func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult {
        fatalError("being written")
    }

    /// In declaration order.
    public var parameters: [[Float]] { fatalError("being written") }

    /// For each parameter its state, `stateSlots` arrays one after the other.
    public var optimizerState: [[Float]] { fatalError("being written") }

    /// Goes on from saved parameters and optimizer state.
    public func restore(
        parameters: [[Float]], optimizerState: [[Float]], steps: Int = 0
    ) throws(LearnerError) {
        fatalError("being written")
    }

    /// SHA-256 of the bits of all parameters, little-endian, in declaration order.
    public func weightHash() -> [UInt8] { fatalError("being written") }
}

struct TrainingGraph {
}

/// SHA-256 of the bits of all arrays, little-endian, one after the other.
public func weightHash(of parameters: [[Float]]) -> [UInt8] { fatalError("being written") }
