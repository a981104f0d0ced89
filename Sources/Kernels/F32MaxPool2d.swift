/// Sizes of a maximum pooling of NHWC images without padding, with its gradient and the transpose of that.
///
/// The place of a maximum is the first one in row-major order; a NaN counts as a maximum, so that it is noticed.
public struct F32MaxPool2d: Sendable {
    public let images: Int
    public let height: Int
    public let width: Int
    public let channels: Int
    public let window: Int
    public let stride: Int
    public let outputHeight: Int
    public let outputWidth: Int

    public init(images: Int, height: Int, width: Int, channels: Int, window: Int, stride: Int) {
        precondition(window >= 1 && stride >= 1 && window <= height && window <= width)
        self.images = images
        self.height = height
        self.width = width
        self.channels = channels
        self.window = window
        self.stride = stride
        outputHeight = (height - window) / stride + 1
        outputWidth = (width - window) / stride + 1
    }

    private var inputCount: Int { height * width * channels }
    private var outputCount: Int { outputHeight * outputWidth * channels }
    private var grain: Int { max(1, 32_768 / inputCount) }

    /// Calls `body` for at most eight channels of one window, in ascending order.
    ///
    /// `input` and `output` are places in an image, `valid` says how many lanes are channels of this window.
    /// `lanes` is 8 where whole vectors stay within the line: what the further lanes write is written again by
    /// the next window.
    @inline(__always)
    private func forEachWindow(_ body: (_ input: Int, _ output: Int, _ valid: Int, _ lanes: Int) -> Void) {
        for i in 0..<outputHeight {
            for j in 0..<outputWidth {
                let input = (i &* stride &* width &+ j &* stride) &* channels
                let output = (i &* outputWidth &+ j) &* channels
                let inputRoom = (width &- j &* stride &- window &+ 1) &* channels
                let room = min(inputRoom, (outputWidth &- j) &* channels)
                var channel = 0
                while channel < channels {
                    let valid = min(8, channels &- channel)
                    body(input &+ channel, output &+ channel, valid, channel &+ 8 <= room ? 8 : valid)
                    channel &+= 8
                }
            }
        }
    }

    /// The maximum of a window, and which of its elements it is, counted in row-major order.
    ///
    /// Numbers as floats: comparisons of floats are single instructions, those of integers are not.
    @inline(__always)
    private func maximum(_ x: UnsafePointer<Float>, _ lanes: Int) -> (
        value: SIMD8<Float>, place: SIMD8<Float>
    ) {
        var best = load(x, lanes)
        var place = SIMD8<Float>.zero
        var number: Float = 0
        for u in 0..<window {
            for v in 0..<window where u | v != 0 {
                number += 1
                let at = (u &* width &+ v) &* channels
                let candidate = load(x + at, lanes)
                let better = (candidate .> best) .| (candidate .!= candidate)
                best.replace(with: candidate, where: better)
                place.replace(with: splat(number), where: better)
            }
        }
        return (best, place)
    }

    /// Writes the maximum of each window.
    public func forward(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, workers: Workers) {
        workers.forEachRange(images, grain: grain) { range in
            for image in range {
                let source = x + image * inputCount
                let target = y + image * outputCount
                forEachWindow { input, output, _, lanes in
                    store(maximum(source + input, lanes).value, target + output, lanes)
                }
            }
        }
    }

    /// Writes for each window the element of v at the first maximum of x.
    public func select(
        _ v: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
        workers: Workers
    ) {
        workers.forEachRange(images, grain: grain) { range in
            for image in range {
                let source = x + image * inputCount
                let values = v + image * inputCount
                let target = y + image * outputCount
                forEachWindow { input, output, valid, lanes in
                    let place = maximum(source + input, lanes).place
                    for lane in 0..<valid {
                        target[output &+ lane] = values[input &+ lane &+ distance(place[lane])]
                    }
                }
            }
        }
    }

    /// Writes zeros, with each dy added at the first maximum of its window of x, windows ascending.
    public func scatter(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>,
        workers: Workers
    ) {
        workers.forEachRange(images, grain: grain) { range in
            for image in range {
                let source = x + image * inputCount
                let gradient = dy + image * outputCount
                let target = dx + image * inputCount
                if window == 2 && stride == 2 {
                    scatterHalves(gradient, source, target)
                } else {
                    target.update(repeating: 0, count: inputCount)
                    scatterWindows(gradient, source, target)
                }
            }
        }
    }

    private func scatterWindows(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
    ) {
        forEachWindow { input, output, valid, lanes in
            let place = maximum(x + input, lanes).place
            for lane in 0..<valid {
                dx[input &+ lane &+ distance(place[lane])] += dy[output &+ lane]
            }
        }
    }

    /// Windows of 2 by 2 that do not overlap: every element of dx is written once, nothing is added.
    private func scatterHalves(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
    ) {
        let line = width &* channels
        forEachWindow { input, output, valid, lanes in
            let place = maximum(x + input, lanes).place
            let gradient = load(dy + output, lanes)
            // With more than one vector a pixel, the next pixel's first was written before this one's last.
            let written = channels <= 8 ? lanes : valid
            put(gradient, place, 0, dx + input, written)
            put(gradient, place, 1, dx + input + channels, written)
            put(gradient, place, 2, dx + input + line, written)
            put(gradient, place, 3, dx + input + line + channels, written)
        }
        let even = 2 &* outputWidth &* channels
        if even < line {
            for i in 0..<2 * outputHeight { (dx + i * line + even).update(repeating: 0, count: line - even) }
        }
        let below = 2 * outputHeight * line
        (dx + below).update(repeating: 0, count: inputCount - below)
    }

    @inline(__always)
    private func put(
        _ gradient: SIMD8<Float>, _ place: SIMD8<Float>, _ number: Float, _ dx: UnsafeMutablePointer<Float>,
        _ lanes: Int
    ) {
        let here = gradient.replacing(with: 0, where: place .!= splat(number))
        store(here, dx, lanes)
    }

    /// From the first element of a window to one of its others.
    @inline(__always)
    private func distance(_ number: Float) -> Int {
        let n = Int(number)
        return (n / window &* width &+ n % window) &* channels
    }
}
