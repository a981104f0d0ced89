import Kernels

/// Runs a `QuantizedModel` with integer kernels; the same logits bit for bit on every machine and thread count.
///
/// Weights are packed once, scratch memory is planned once; a call allocates only its result.
public final class IntegerExecutor {
    public let model: QuantizedModel

    /// Packs the weights and plans one arena per worker.
    public init(_ model: QuantizedModel, workers: Workers = .serial) {
        self.model = model
        fatalError("pending")
    }

    /// Integer logits `[image][class]` of `pixels.count / model.input.byteCount` pictures, HWC bytes each.
    public func logits(pixels: UnsafeBufferPointer<UInt8>) -> [Int32] {
        fatalError("pending")
    }

    /// Integer logits `[image][class]` of whole pictures, HWC bytes each.
    public func logits(pixels: [UInt8]) -> [Int32] {
        pixels.withUnsafeBufferPointer { logits(pixels: $0) }
    }
}
