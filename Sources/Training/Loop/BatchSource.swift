import Kernels

/// One batch as a step takes it.
public struct Batch: Equatable, Sendable {
    public var pixels: [UInt8]
    /// The class of each image; of a mixed one, the class that has the larger share.
    public var labels: [UInt8]
    /// A row of class weights for each image; nil where every row is 1 at the label and 0 elsewhere.
    public var targets: [Float]?

    public init(pixels: [UInt8], labels: [UInt8], targets: [Float]?) {
        self.pixels = pixels
        self.labels = labels
        self.targets = targets
    }
}

/// Makes any batch of a run from its number alone, so that it does not matter who makes it, when, or in what order.
public struct BatchSource: Sendable {
    private let images: LabelledImages
    private let indexes: [Int32]
    private let hyper: Hyperparameters
    private let augmenter: ImageAugmenter
    /// `targetRows[class * classes ..< (class + 1) * classes]` is the row of an unmixed image.
    private let targetRows: [Float]
    private let classes: Int

    /// - Parameters:
    ///   - indexes: the images to train on.
    ///   - zeroPoints: of the pixels, per channel.
    public init(
        _ images: LabelledImages, indexes: [Int32], classes: Int, hyperparameters: Hyperparameters,
        zeroPoints: [Int32]
    ) {
        self.images = images
        self.indexes = indexes
        self.classes = classes
        hyper = hyperparameters
        augmenter = ImageAugmenter(
            settings: hyper.augmentation, geometry: images.geometry,
            background: hyper.augmentation.changesGeometry
                ? images.background(at: indexes)
                : [UInt8](repeating: 0, count: images.geometry.channels),
            erased: zeroPoints.map { UInt8(clamping: $0) })
        targetRows = BatchSource.rows(
            classes: classes, smoothing: hyper.labelSmoothing,
            weights: hyper.classWeights == .balanced
                ? BatchSource.balance(images.targets, at: indexes, classes: classes)
                : [Float](repeating: 1, count: classes))
    }

    /// The images in the order of an epoch, counted from 0.
    public func order(epoch: Int) -> [Int32] {
        var order = indexes
        var random = SplitMix64(seed: Seeds.derive(hyper.seed, .epochOrder, index: epoch))
        random.shuffle(&order)
        return order
    }

    /// Step `step` of an epoch, both counted from 0; `chosen` are its images.
    ///
    /// Where several processes take a step together, each has its part: the steps of the parts are counted.
    public func batch(_ chosen: ArraySlice<Int32>, epoch: Int, step: Int) -> Batch {
        let size = images.geometry.byteCount
        var labels = [UInt8](repeating: 0, count: chosen.count)
        let pixels = [UInt8](unsafeUninitializedCapacity: chosen.count * size) { pixels, count in
            labels.withUnsafeMutableBufferPointer { fill(pixels, $0, chosen, epoch: epoch) }
            count = chosen.count * size
        }
        let augmentation = hyper.augmentation
        let softens = augmentation.mixes || hyper.labelSmoothing > 0 || hyper.classWeights != .none
        guard softens, !chosen.isEmpty else { return Batch(pixels: pixels, labels: labels, targets: nil) }
        var targets: [Float] = []
        targets.reserveCapacity(labels.count * classes)
        for label in labels { targets += targetRows[(Int(label) * classes)..<((Int(label) + 1) * classes)] }
        var batch = Batch(pixels: pixels, labels: labels, targets: nil)
        if augmentation.mixes {
            var random = SplitMix64(seed: Seeds.derive(hyper.seed, .mixing, index: epoch << 32 | step))
            Mixing(settings: augmentation, geometry: images.geometry).apply(
                pixels: &batch.pixels, targets: &targets, images: labels.count, classes: classes,
                random: &random)
        }
        batch.targets = targets
        return batch
    }

    private func fill(
        _ pixels: UnsafeMutableBufferPointer<UInt8>, _ labels: UnsafeMutableBufferPointer<UInt8>,
        _ chosen: ArraySlice<Int32>, epoch: Int
    ) {
        guard hyper.augmentation.changesPixels else {
            images.gather(chosen, images: pixels, classes: labels)
            return
        }
        let size = images.geometry.byteCount
        images.pixels.withUnsafeBufferPointer { source in
            for (place, index) in chosen.enumerated() {
                let from = Int(index) * size
                var random = SplitMix64(
                    seed: Seeds.derive(hyper.seed, .augmentation, index: epoch << 32 | Int(index)))
                augmenter.apply(
                    UnsafeBufferPointer(rebasing: source[from..<(from + size)]),
                    to: UnsafeMutableBufferPointer(rebasing: pixels[(place * size)..<((place + 1) * size)]),
                    random: &random)
                labels[place] = images.targets[Int(index)]
            }
        }
    }

    private static func rows(classes: Int, smoothing: Float, weights: [Float]) -> [Float] {
        var rows: [Float] = []
        for label in 0..<classes {
            for c in 0..<classes {
                let own: Float = c == label ? 1 - smoothing : 0
                rows.append(weights[label] * (own + smoothing / Float(classes)))
            }
        }
        return rows
    }

    /// Images / (classes that occur · images of the class), so that the mean over the images is 1.
    static func balance(_ targets: [UInt8], at indexes: [Int32], classes: Int) -> [Float] {
        var counts = [Int](repeating: 0, count: classes)
        for index in indexes { counts[Int(targets[Int(index)])] += 1 }
        let occurring = counts.count { $0 > 0 }
        return counts.map { $0 == 0 ? 0 : Float(indexes.count) / Float(occurring * $0) }
    }
}
