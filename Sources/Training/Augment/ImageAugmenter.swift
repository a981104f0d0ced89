import Kernels

/// Varies single images as an `Augmentation` says; the random numbers come from the caller.
///
/// Positions are integers of 1/65,536 pixel and weights of 1/256, so that the pixels are the same on every machine.
struct ImageAugmenter: Sendable {
    let settings: Augmentation
    let geometry: ImageGeometry
    /// What comes in from outside of the image, per channel.
    let background: [UInt8]
    /// What an erased rectangle shows, per channel: the zero points, that is nothing at all to the network.
    let erased: [UInt8]

    /// Writes the variation of `source` that `random` chooses.
    func apply(
        _ source: UnsafeBufferPointer<UInt8>, to target: UnsafeMutableBufferPointer<UInt8>,
        random: inout SplitMix64
    ) {
        if settings.changesGeometry {
            move(source, to: target, random: &random)
        } else {
            _ = target.update(fromContentsOf: source)
        }
        if settings.brightness > 0 || settings.contrast > 0 { relight(target, random: &random) }
        if settings.erasing > 0, random.uniform() < settings.erasing { erase(target, random: &random) }
    }

    // MARK: Geometry

    private func move(
        _ source: UnsafeBufferPointer<UInt8>, to target: UnsafeMutableBufferPointer<UInt8>,
        random: inout SplitMix64
    ) {
        let padding = settings.cropPadding
        let right = padding > 0 ? random.index(below: 2 * padding + 1) - padding : 0
        let down = padding > 0 ? random.index(below: 2 * padding + 1) - padding : 0
        let flipped = settings.flips && random.next() >> 63 == 1
        guard settings.rotationDegrees > 0 || settings.scale > 0 else {
            shift(source, to: target, right: right, down: down, flipped: flipped)
            return
        }
        let degrees = settings.rotationDegrees * (2 * random.uniform() - 1)
        let size = 1 + settings.scale * (2 * random.uniform() - 1)
        warp(
            source, to: target, right: right, down: down, flipped: flipped, degrees: Double(degrees),
            size: Double(size))
    }

    private func shift(
        _ source: UnsafeBufferPointer<UInt8>, to target: UnsafeMutableBufferPointer<UInt8>, right: Int,
        down: Int, flipped: Bool
    ) {
        let (height, width, channels) = (geometry.height, geometry.width, geometry.channels)
        for y in 0..<height {
            let fromY = y - down
            for x in 0..<width {
                let straight = x - right
                let fromX = flipped ? width - 1 - straight : straight
                let inside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width
                let (to, from) = ((y * width + x) * channels, (fromY * width + fromX) * channels)
                for c in 0..<channels { target[to + c] = inside ? source[from + c] : background[c] }
            }
        }
    }

    /// Bilinear samples of the image turned and sized around its middle, then moved.
    private func warp(
        _ source: UnsafeBufferPointer<UInt8>, to target: UnsafeMutableBufferPointer<UInt8>, right: Int,
        down: Int, flipped: Bool, degrees: Double, size: Double
    ) {
        let (height, width, channels) = (geometry.height, geometry.width, geometry.channels)
        let turn = abs(degrees) / 180
        let one = 65_536.0
        let cosine = Int((Scalar.cosineOfHalfTurns(turn) / size * one).rounded())
        let sine = Int(
            (Scalar.cosineOfHalfTurns(abs(0.5 - turn)) * (degrees < 0 ? -1 : 1) / size * one).rounded())
        for y in 0..<height {
            // Twice the distance from the middle keeps even sizes whole.
            let dy = 2 * (y - down) - (height - 1)
            for x in 0..<width {
                let dx = 2 * (x - right) - (width - 1)
                var fromX = (cosine * dx + sine * dy + (width - 1) << 16) >> 1
                let fromY = (cosine * dy - sine * dx + (height - 1) << 16) >> 1
                if flipped { fromX = (width - 1) << 16 - fromX }
                let (x0, y0) = (fromX >> 16, fromY >> 16)
                let (fx, fy) = ((fromX >> 8) & 255, (fromY >> 8) & 255)
                let to = (y * width + x) * channels
                if x0 >= 0 && y0 >= 0 && x0 + 1 < width && y0 + 1 < height {
                    let from = (y0 * width + x0) * channels
                    let below = from + width * channels
                    for c in 0..<channels {
                        let top = (256 - fx) * Int(source[from + c]) + fx * Int(source[from + channels + c])
                        let bottom =
                            (256 - fx) * Int(source[below + c]) + fx * Int(source[below + channels + c])
                        target[to + c] = UInt8(
                            truncatingIfNeeded: ((256 - fy) * top + fy * bottom + 32_768) >> 16)
                    }
                } else {
                    for c in 0..<channels {
                        func at(_ x: Int, _ y: Int) -> Int {
                            x >= 0 && y >= 0 && x < width && y < height
                                ? Int(source[(y * width + x) * channels + c]) : Int(background[c])
                        }
                        let top = (256 - fx) * at(x0, y0) + fx * at(x0 + 1, y0)
                        let bottom = (256 - fx) * at(x0, y0 + 1) + fx * at(x0 + 1, y0 + 1)
                        target[to + c] = UInt8(
                            truncatingIfNeeded: ((256 - fy) * top + fy * bottom + 32_768) >> 16)
                    }
                }
            }
        }
    }

    // MARK: Light and erasing

    private func relight(_ target: UnsafeMutableBufferPointer<UInt8>, random: inout SplitMix64) {
        let offset = 255 * settings.brightness * (2 * random.uniform() - 1)
        let factor = 1 + settings.contrast * (2 * random.uniform() - 1)
        let channels = geometry.channels
        for c in 0..<channels {
            let middle = Float(erased[c])
            let table = (0..<256).map { value -> UInt8 in
                let moved = (Float(value) - middle) * factor + middle + offset
                return UInt8(min(max(moved.rounded(.toNearestOrEven), 0), 255))
            }
            for at in stride(from: c, to: target.count, by: channels) { target[at] = table[Int(target[at])] }
        }
    }

    /// A rectangle of 2 to 33 % of the image with sides 0.3 to 3.3 to one, as in the paper.
    private func erase(_ target: UnsafeMutableBufferPointer<UInt8>, random: inout SplitMix64) {
        let (height, width, channels) = (geometry.height, geometry.width, geometry.channels)
        let area = Float(height * width) * (0.02 + 0.31 * random.uniform())
        let (low, high) = (Scalar.log(0.3), Scalar.log(3.3))
        let ratio = Scalar.exp(low + (high - low) * random.uniform())
        let rows = min(max(Int((area * ratio).squareRoot().rounded()), 1), height)
        let columns = min(max(Int((area / ratio).squareRoot().rounded()), 1), width)
        let top = random.index(below: height - rows + 1)
        let left = random.index(below: width - columns + 1)
        for y in top..<(top + rows) {
            for x in left..<(left + columns) {
                for c in 0..<channels { target[(y * width + x) * channels + c] = erased[c] }
            }
        }
    }
}

extension LabelledImages {
    /// The median of the border pixels of the images at `indexes`, per channel: what lies around the objects.
    func background(at indexes: [Int32]) -> [UInt8] {
        let (height, width, channels) = (geometry.height, geometry.width, geometry.channels)
        var border: [Int] = []
        for y in 0..<height {
            for x in 0..<width where y == 0 || x == 0 || y == height - 1 || x == width - 1 {
                border.append((y * width + x) * channels)
            }
        }
        var counts = [[Int]](repeating: [Int](repeating: 0, count: 256), count: channels)
        // A few thousand images tell as much as all of them.
        for index in indexes.prefix(4_096) {
            for at in border {
                for c in 0..<channels {
                    counts[c][Int(pixels[Int(index) * geometry.byteCount + at + c])] += 1
                }
            }
        }
        return counts.map { counts in
            var left = counts.reduce(0, +) / 2
            for (value, count) in counts.enumerated() {
                left -= count
                if left < 0 { return UInt8(value) }
            }
            return 0
        }
    }
}
