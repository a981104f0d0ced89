import Autodiff
import Kernels

/// A network in use: logits for any number of images, in batches of a planned size.
public final class Evaluator {
    public let network: Network
    public let preprocessing: Preprocessing
    public let batch: Int

    /// - Parameter observing: keeps what every layer gives, for `activation(ofLayer:)`.
    public init(
        network: Network, preprocessing: Preprocessing, batch: Int, workers: Workers = .serial,
        observing: Bool = false
    ) throws(LearnerError) {
        fatalError("being written")
    }

    /// Logits of `count` images, one row of classes for each.
    public func logits(
        pixels: UnsafeBufferPointer<UInt8>, count: Int, parameters: [[Float]]
    ) throws(LearnerError) -> [Float] {
        fatalError("being written")
    }

    /// What a layer gave for the last batch that was run; only when observing. Only the first
    /// `(count − 1) % batch + 1` images of it are of that batch.
    public func activation(ofLayer layer: Int) -> UnsafeBufferPointer<Float> { fatalError("being written") }
}
