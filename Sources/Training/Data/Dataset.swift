import Digests
import Images

/// The shape of every image of a data set or of a network's input.
public struct ImageGeometry: Equatable, Sendable, Codable, CustomStringConvertible {
    public let height: Int
    public let width: Int
    /// 1 (grey) or 3 (RGB).
    public let channels: Int

    public init(height: Int, width: Int, channels: Int) {
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// Bytes of one image.
    public var byteCount: Int { height * width * channels }
    public var description: String { "\(height)x\(width)x\(channels)" }
}

/// Images of one geometry with the class index of each.
public struct LabelledImages: Sendable {
    public let geometry: ImageGeometry
    /// `count` images one after the other, each height x width x channels.
    public let pixels: [UInt8]
    /// The class of each image.
    public let targets: [UInt8]

    public var count: Int { targets.count }

    public init(geometry: ImageGeometry, pixels: [UInt8], targets: [UInt8]) {
        precondition(pixels.count == targets.count * geometry.byteCount, "pixels and targets disagree")
        self.geometry = geometry
        self.pixels = pixels
        self.targets = targets
    }

    /// Copies the images at `indexes` one after the other into `images`, and their classes into `classes`.
    public func gather(
        _ indexes: ArraySlice<Int32>, images: UnsafeMutableBufferPointer<UInt8>,
        classes: UnsafeMutableBufferPointer<UInt8>
    ) {
        let size = geometry.byteCount
        precondition(
            images.count >= indexes.count * size && classes.count >= indexes.count, "buffer too small")
        pixels.withUnsafeBufferPointer { source in
            for (place, index) in indexes.enumerated() {
                let image = source[(Int(index) * size)..<((Int(index) + 1) * size)]
                _ = UnsafeMutableBufferPointer(rebasing: images[(place * size)..<((place + 1) * size)])
                    .update(fromContentsOf: image)
                classes[place] = targets[Int(index)]
            }
        }
    }

    /// The images at `indexes`, in that order.
    public func subset(_ indexes: [Int32]) -> LabelledImages {
        var images = [UInt8](repeating: 0, count: indexes.count * geometry.byteCount)
        var classes = [UInt8](repeating: 0, count: indexes.count)
        images.withUnsafeMutableBufferPointer { images in
            classes.withUnsafeMutableBufferPointer { gather(indexes[...], images: images, classes: $0) }
        }
        return LabelledImages(geometry: geometry, pixels: images, targets: classes)
    }

    /// The same images with `map[class]` in place of each class.
    public func relabelled(_ map: [UInt8]) -> LabelledImages {
        LabelledImages(geometry: geometry, pixels: pixels, targets: targets.map { map[Int($0)] })
    }
}

/// A training set, a test set where there is one, and the names of the classes.
public struct Dataset: Sendable {
    public enum Format: String, Sendable, Codable { case idx, png }

    public let name: String
    /// The folder that it was read from.
    public let location: String
    public let format: Format
    /// The name of each class; their number is the number of classes.
    public let labels: [String]
    public let train: LabelledImages
    public let test: LabelledImages?
    /// Files that were left out because they could not be read, each with the reason; empty unless that was asked for.
    public let skipped: [String]

    public var geometry: ImageGeometry { train.geometry }

    public init(
        name: String, location: String, format: Format, labels: [String], train: LabelledImages,
        test: LabelledImages?, skipped: [String] = []
    ) {
        self.name = name
        self.location = location
        self.format = format
        self.labels = labels
        self.train = train
        self.test = test
        self.skipped = skipped
    }

    /// SHA-256 of the decoded content: geometry, labels, and the pixels and classes of both parts.
    ///
    /// It does not depend on how or where the images are stored, so the same images as IDX and as PNG
    /// files in the same order give the same hash.
    public func contentHash() -> [UInt8] {
        var hash = SHA256()
        func add(_ number: Int) {
            hash.update((0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
        }
        hash.update(Array("deai dataset 1".utf8))
        [geometry.height, geometry.width, geometry.channels, labels.count].forEach(add)
        for label in labels {
            let bytes = Array(label.utf8)
            add(bytes.count)
            hash.update(bytes)
        }
        for part in [train, test].compactMap({ $0 }) {
            add(part.count)
            hash.update(part.targets)
            hash.update(part.pixels)
        }
        return hash.finalize()
    }
}

extension LabelledImages {
    /// The same images resized and converted to `target` by the rules that the canister applies to an image.
    public func fitted(to target: ImageGeometry) -> LabelledImages {
        guard target != geometry else { return self }
        var result: [UInt8] = []
        result.reserveCapacity(count * target.byteCount)
        for index in 0..<count {
            let image = PixelImage(
                width: geometry.width, height: geometry.height, channels: geometry.channels,
                pixels: Array(pixels[(index * geometry.byteCount)..<((index + 1) * geometry.byteCount)]))
            result +=
                image.fitted(width: target.width, height: target.height, channels: target.channels).pixels
        }
        return LabelledImages(geometry: target, pixels: result, targets: targets)
    }
}

extension Dataset {
    /// The same data set with every image brought to `target`.
    public func fitted(to target: ImageGeometry) -> Dataset {
        Dataset(
            name: name, location: location, format: format, labels: labels, train: train.fitted(to: target),
            test: test?.fitted(to: target), skipped: skipped)
    }
}
