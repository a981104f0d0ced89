/// Batch normalisation over all axes but the last, with the passes of its gradient.
///
/// `pixels` rows of `channels` numbers; x̂ = (x − mean) / √(variance + epsilon). Sums ascend over the rows.
public struct F32BatchNorm: Sendable {
    public let pixels: Int
    public let channels: Int
    public let epsilon: Float

    public init(pixels: Int, channels: Int, epsilon: Float) {
        self.pixels = pixels
        self.channels = channels
        self.epsilon = epsilon
    }

    private var share: Float { 1 / Float(pixels) }

    /// Writes mean[c] = Σ x / pixels.
    public func mean(_ x: UnsafePointer<Float>, _ mean: UnsafeMutablePointer<Float>, workers: Workers) {
        forEachChunk(workers) { channel, lanes in
            var total = SIMD8<Float>.zero
            forEachRow(channel) { total += load(x + $0, lanes) }
            store(total * splat(share), mean + channel, lanes)
        }
    }

    /// Writes variance[c] = Σ (x − mean)² / pixels.
    public func variance(
        _ x: UnsafePointer<Float>, mean: UnsafePointer<Float>, _ variance: UnsafeMutablePointer<Float>,
        workers: Workers
    ) {
        forEachChunk(workers) { channel, lanes in
            let middle = load(mean + channel, lanes)
            var total = SIMD8<Float>.zero
            forEachRow(channel) {
                let deviation = load(x + $0, lanes) - middle
                total += deviation * deviation
            }
            store(total * splat(share), variance + channel, lanes)
        }
    }

    /// Writes y = (x − mean)·(scale / √(variance + epsilon)) + shift.
    public func normalize(
        _ x: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
        mean: UnsafePointer<Float>, variance: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
        workers: Workers
    ) {
        forEachBlock(workers) { channel, lanes, rows in
            let middle = load(mean + channel, lanes)
            let factor = load(scale + channel, lanes) * inverse(variance, channel, lanes)
            let offset = load(shift + channel, lanes)
            for row in rows {
                let place = row &* channels &+ channel
                store((load(x + place, lanes) - middle) * factor + offset, y + place, lanes)
            }
        }
    }

    /// Writes Σ dy·x̂, the gradient with respect to the scale.
    public func scaleGradient(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, mean: UnsafePointer<Float>,
        variance: UnsafePointer<Float>, _ result: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        forEachChunk(workers) { channel, lanes in
            let middle = load(mean + channel, lanes)
            var total = SIMD8<Float>.zero
            forEachRow(channel) { total += load(dy + $0, lanes) * (load(x + $0, lanes) - middle) }
            store(total * inverse(variance, channel, lanes), result + channel, lanes)
        }
    }

    /// Writes dx = scale / √(variance + epsilon) · (dy − shiftGradient / pixels − x̂·scaleGradient / pixels).
    public func inputGradient(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, scale: UnsafePointer<Float>,
        mean: UnsafePointer<Float>, variance: UnsafePointer<Float>, scaleGradient: UnsafePointer<Float>,
        shiftGradient: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        forEachBlock(workers) { channel, lanes, rows in
            let middle = load(mean + channel, lanes)
            let inverse = inverse(variance, channel, lanes)
            let factor = load(scale + channel, lanes) * inverse
            let tilt = load(scaleGradient + channel, lanes) * splat(share) * inverse
            let offset = load(shiftGradient + channel, lanes) * splat(share)
            for row in rows {
                let place = row &* channels &+ channel
                let deviation = load(x + place, lanes) - middle
                store((load(dy + place, lanes) - offset - deviation * tilt) * factor, dx + place, lanes)
            }
        }
    }

    @inline(__always)
    private func inverse(_ variance: UnsafePointer<Float>, _ channel: Int, _ lanes: Int) -> SIMD8<Float> {
        splat(1) / (load(variance + channel, lanes) + splat(epsilon)).squareRoot()
    }

    /// Eight channels at a time, each summed by one worker.
    @inline(__always)
    private func forEachChunk(_ workers: Workers, _ body: (_ channel: Int, _ lanes: Int) -> Void) {
        workers.forEachRange((channels + 7) / 8, grain: max(1, 2048 / max(1, pixels))) { chunks in
            for chunk in chunks { body(chunk &* 8, min(8, channels &- chunk &* 8)) }
        }
    }

    @inline(__always)
    private func forEachRow(_ channel: Int, _ body: (_ place: Int) -> Void) {
        var place = channel
        for _ in 0..<pixels {
            body(place)
            place &+= channels
        }
    }

    /// Blocks of rows that stay in the cache, eight channels at a time.
    @inline(__always)
    private func forEachBlock(
        _ workers: Workers, _ body: (_ channel: Int, _ lanes: Int, _ rows: Range<Int>) -> Void
    ) {
        workers.forEachRange(pixels, grain: max(1, 4096 / channels)) { rows in
            for channel in Swift.stride(from: 0, to: channels, by: 8) {
                body(channel, min(8, channels &- channel), rows)
            }
        }
    }
}
