import Kernels

/// Mixes the images of a batch in pairs, by mixup or CutMix, and the rows of their classes with them.
///
/// The image that keeps the larger share gives the label that answers are compared with.
struct Mixing {
    let settings: Augmentation
    let geometry: ImageGeometry

    /// - Parameters:
    ///   - pixels: the images of the batch, replaced.
    ///   - targets: their rows of `classes` numbers, replaced.
    func apply(
        pixels: inout [UInt8], targets: inout [Float], images: Int, classes: Int, random: inout SplitMix64
    ) {
        guard images > 1 else { return }
        let cuts = settings.cutmix > 0 && (settings.mixup == 0 || random.next() >> 63 == 1)
        let drawn = Mixing.beta(cuts ? settings.cutmix : settings.mixup, random: &random)
        let share = max(drawn, 1 - drawn)
        var partners = (0..<Int32(images)).map { $0 }
        random.shuffle(&partners)
        let (oldPixels, oldTargets) = (pixels, targets)
        let rectangle = cuts ? self.rectangle(share: share, random: &random) : nil
        // In steps of 1/256, so that the shares of pixels and of classes are the same number.
        let weight = Int((share * 256).rounded())
        let kept =
            rectangle.map {
                1 - Float($0.rows.count * $0.columns.count) / Float(geometry.height * geometry.width)
            }
            ?? Float(weight) / 256
        let size = geometry.byteCount
        for image in 0..<images {
            let (own, other) = (image * size, Int(partners[image]) * size)
            if let rectangle {
                paste(rectangle, of: oldPixels, at: other, into: &pixels, at: own)
            } else {
                for at in 0..<size {
                    let sum = weight * Int(oldPixels[own + at]) + (256 - weight) * Int(oldPixels[other + at])
                    pixels[own + at] = UInt8(truncatingIfNeeded: (sum + 128) >> 8)
                }
            }
            for c in 0..<classes {
                targets[image * classes + c] =
                    kept * oldTargets[image * classes + c]
                    + (1 - kept) * oldTargets[Int(partners[image]) * classes + c]
            }
        }
    }

    private typealias Rectangle = (rows: Range<Int>, columns: Range<Int>)

    /// About 1 − `share` of the image, around a point anywhere in it.
    private func rectangle(share: Float, random: inout SplitMix64) -> Rectangle {
        func range(_ length: Int) -> Range<Int> {
            let part = Int((Float(length) * (1 - share).squareRoot()).rounded())
            let start = random.index(below: length) - part / 2
            return max(start, 0)..<max(min(start + part, length), max(start, 0))
        }
        let rows = range(geometry.height)
        return (rows, range(geometry.width))
    }

    private func paste(
        _ rectangle: Rectangle, of source: [UInt8], at other: Int, into target: inout [UInt8], at own: Int
    ) {
        let channels = geometry.channels
        for y in rectangle.rows {
            let row = y * geometry.width * channels
            for at
                in (row + rectangle.columns.lowerBound * channels)..<(row + rectangle.columns.upperBound
                * channels)
            {
                target[own + at] = source[other + at]
            }
        }
    }

    /// A number from the Beta distribution with both parameters α > 0: X / (X + Y) of two Gamma numbers.
    static func beta(_ alpha: Float, random: inout SplitMix64) -> Float {
        let first = gamma(alpha, random: &random)
        let second = gamma(alpha, random: &random)
        // Tiny α can make both vanish; then either end is as likely as the other.
        return first + second > 0 ? first / (first + second) : (random.next() >> 63 == 1 ? 1 : 0)
    }

    /// Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; below 1 by their boost.
    private static func gamma(_ shape: Float, random: inout SplitMix64) -> Float {
        if shape < 1 {
            let boost = Scalar.exp(Scalar.log(1 - random.uniform()) / shape)
            return gamma(shape + 1, random: &random) * boost
        }
        let d = shape - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = random.normal()
            let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
            let u = 1 - random.uniform()
            if v > 0, Scalar.log(u) < 0.5 * x * x + d - d * v + d * Scalar.log(v) { return d * v }
        }
    }
}
