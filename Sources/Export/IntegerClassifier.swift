import Inference
import Kernels
import Training

/// Runs an integer model over many images.
public final class IntegerClassifier {
    public let model: QuantizedModel
    private let executor: IntegerExecutor

    public init(_ model: QuantizedModel, workers: Workers) {
        self.model = model
        executor = IntegerExecutor(model, workers: workers)
    }

    /// One row of integer logits for each image; `progress` hears how many are done.
    public func logits(_ images: LabelledImages, progress: (Int) -> Void = { _ in }) -> [Int32] {
        precondition(images.geometry.byteCount == model.input.byteCount, "images have the model's geometry")
        var logits: [Int32] = []
        logits.reserveCapacity(images.count * model.labels.count)
        let size = images.geometry.byteCount
        images.pixels.withUnsafeBufferPointer { pixels in
            for start in stride(from: 0, to: images.count, by: 500) {
                let end = min(start + 500, images.count)
                logits += executor.logits(
                    pixels: UnsafeBufferPointer(rebasing: pixels[(start * size)..<(end * size)]))
                progress(end)
            }
        }
        return logits
    }

    /// Accuracy, loss and confusion of real logits, that is integer ones times the logit scale.
    public func evaluate(_ images: LabelledImages, progress: (Int) -> Void = { _ in }) -> Evaluation {
        let scale = model.logitScale
        return Evaluation(
            logits: logits(images, progress: progress).map { Float($0) * scale }, targets: images.targets,
            classes: model.labels.count)
    }
}

extension QuantizedModel {
    public var geometry: ImageGeometry {
        ImageGeometry(height: input.height, width: input.width, channels: input.channels)
    }

    public var labelTexts: [String] { labels.map { String(decoding: $0, as: UTF8.self) } }
}

extension Dataset {
    /// The data set with its classes in the order of a model's `labels`; throws when it has other classes.
    public func matching(labels wanted: [String]) throws(ExportError) -> Dataset {
        guard labels != wanted else { return self }
        let places = labels.map { wanted.firstIndex(of: $0) }
        guard labels.count <= wanted.count, !places.contains(nil), Set(labels).count == labels.count else {
            throw .labels(model: wanted, dataset: labels)
        }
        let map = places.map { UInt8($0 ?? 0) }
        return Dataset(
            name: name, location: location, format: format, labels: wanted, train: train.relabelled(map),
            test: test?.relabelled(map), skipped: skipped)
    }
}
