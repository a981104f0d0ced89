/// Sizes of a convolution in groups or with a dilated kernel, with its two gradients, by direct loops.
///
/// Images are NHWC; the filter is [kernelHeight][kernelWidth][channels / groups][filters], and output channel o reads
/// the input channels of group o / (filters / groups). Depthwise sizes (one channel and one filter a group) have
/// loops of their own, with channels as lanes. Every sum ascends in (u, v, channel) or (image, row, column).
public struct F32GroupedConv2d: Sendable {
    public let images: Int
    public let height: Int
    public let width: Int
    public let channels: Int
    public let kernelHeight: Int
    public let kernelWidth: Int
    public let filters: Int
    public let stride: Int
    public let padding: Int
    public let dilation: Int
    public let groups: Int
    public let outputHeight: Int
    public let outputWidth: Int

    /// Groups must divide channels and filters, and the dilated kernel fit into the padded image.
    public init(
        images: Int, height: Int, width: Int, channels: Int, kernelHeight: Int, kernelWidth: Int, filters: Int,
        stride: Int, padding: Int, dilation: Int, groups: Int
    ) {
        precondition(stride >= 1 && padding >= 0 && dilation >= 1 && groups >= 1)
        precondition(channels % groups == 0 && filters % groups == 0)
        self.images = images
        self.height = height
        self.width = width
        self.channels = channels
        self.kernelHeight = kernelHeight
        self.kernelWidth = kernelWidth
        self.filters = filters
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        outputHeight = (height + 2 * padding - dilation * (kernelHeight - 1) - 1) / stride + 1
        outputWidth = (width + 2 * padding - dilation * (kernelWidth - 1) - 1) / stride + 1
    }

    var isDepthwise: Bool { groups == channels && filters == channels }
    private var groupChannels: Int { channels / groups }
    private var groupFilters: Int { filters / groups }
    private var taps: Int { kernelHeight * kernelWidth }
    /// Lines that one worker takes at a time.
    func grain(line work: Int) -> Int { max(1, 100_000 / max(1, work)) }

    /// Indices t below `count` for which origin + t·step lies in 0 ..< extent.
    @inline(__always)
    func inside(origin: Int, step: Int, count: Int, extent: Int) -> Range<Int> {
        let lower = origin >= 0 ? 0 : (step &- 1 &- origin) / step
        let upper = origin >= extent ? 0 : min(count, (extent &- origin &+ step &- 1) / step)
        return lower..<max(lower, upper)
    }

    /// The output index that reads input `index` through a tap, or −1.
    @inline(__always)
    func output(reading index: Int, tap: Int, count: Int) -> Int {
        let distance = index &+ padding &- tap &* dilation
        if distance < 0 { return -1 }
        let output = distance / stride
        return output &* stride == distance && output < count ? output : -1
    }

    // MARK: y = conv(x, filter)

    /// Writes y[b, i, j, o] = bias[o] + Σ x[b, i·stride + u·dilation − padding, …, q]·filter[u, v, q, o].
    public func forward(
        _ x: UnsafePointer<Float>, _ filter: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        _ y: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        if isDepthwise { return depthwiseForward(x, filter, bias: bias, y, workers: workers) }
        let work = outputWidth * filters * taps * groupChannels
        workers.forEachRange(images * outputHeight, grain: grain(line: work)) { lines in
            for line in lines { forward(line: line, x, filter, bias: bias, y) }
        }
    }

    private func forward(
        line: Int, _ x: UnsafePointer<Float>, _ filter: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        _ y: UnsafeMutablePointer<Float>
    ) {
        let image = line / outputHeight
        let top = (line - image * outputHeight) * stride - padding
        let rows = inside(origin: top, step: dilation, count: kernelHeight, extent: height)
        let inner = groupChannels
        for j in 0..<outputWidth {
            let left = j * stride - padding
            let columns = inside(origin: left, step: dilation, count: kernelWidth, extent: width)
            let target = y + (line * outputWidth + j) * filters
            for group in 0..<groups {
                for first in Swift.stride(from: 0, to: groupFilters, by: 8) {
                    let lanes = min(8, groupFilters - first)
                    let o = group * groupFilters + first
                    var total = SIMD8<Float>.zero
                    if let bias { total = load(bias + o, lanes) }
                    for u in rows {
                        for v in columns {
                            let pixel = (image * height + top + u * dilation) * width + left + v * dilation
                            let source = x + pixel * channels + group * inner
                            var f = filter + (u * kernelWidth + v) * inner * filters + o
                            for q in 0..<inner {
                                total += splat(source[q]) * load(f, lanes)
                                f += filters
                            }
                        }
                    }
                    store(total, target + o, lanes)
                }
            }
        }
    }

    // MARK: gradient with respect to x

    /// Floats of scratch memory that `inputGradient` needs: the filter with its channels innermost.
    public var inputGradientScratchCount: Int { isDepthwise ? 0 : taps * filters * groupChannels }

    /// Writes dx, the sum over (u, v, o) ascending of dy where the tap read x, times the filter.
    public func inputGradient(
        _ dy: UnsafePointer<Float>, _ filter: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        if isDepthwise { return depthwiseInputGradient(dy, filter, dx, workers: workers) }
        let inner = groupChannels
        for tap in 0..<taps {
            for q in 0..<inner {
                let source = filter + (tap * inner + q) * filters
                for o in 0..<filters { scratch[(tap * filters + o) * inner + q] = source[o] }
            }
        }
        let work = width * channels * taps * groupFilters
        workers.forEachRange(images * height, grain: grain(line: work)) { lines in
            for line in lines { inputGradient(line: line, dy, UnsafePointer(scratch), dx) }
        }
    }

    private func inputGradient(
        line: Int, _ dy: UnsafePointer<Float>, _ turned: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>
    ) {
        let image = line / height
        let row = line - image * height
        let inner = groupChannels
        for column in 0..<width {
            let target = dx + (line * width + column) * channels
            for group in 0..<groups {
                for first in Swift.stride(from: 0, to: inner, by: 8) {
                    let lanes = min(8, inner - first)
                    var total = SIMD8<Float>.zero
                    for u in 0..<kernelHeight {
                        let i = output(reading: row, tap: u, count: outputHeight)
                        if i < 0 { continue }
                        for v in 0..<kernelWidth {
                            let j = output(reading: column, tap: v, count: outputWidth)
                            if j < 0 { continue }
                            let gradient = dy + ((image * outputHeight + i) * outputWidth + j) * filters
                            let tap = u * kernelWidth + v
                            for o in group * groupFilters..<(group + 1) * groupFilters {
                                let f = turned + (tap * filters + o) * inner + first
                                total += splat(gradient[o]) * load(f, lanes)
                            }
                        }
                    }
                    store(total, target + group * inner + first, lanes)
                }
            }
        }
    }

    // MARK: gradient with respect to the filter

    /// Writes df[u, v, q, o] = Σ x[b, …, q]·dy[b, i, j, o], (b, i, j) ascending.
    public func filterGradient(
        _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ df: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        if isDepthwise { return depthwiseFilterGradient(x, dy, df, workers: workers) }
        let chunks = (groupFilters + 7) / 8
        workers.forEachRange(taps * groups * chunks, grain: 1) { units in
            for unit in units {
                let tap = unit / (groups * chunks)
                let rest = unit - tap * groups * chunks
                let group = rest / chunks
                filterGradient(tap: tap, group: group, first: (rest - group * chunks) * 8, x, dy, df)
            }
        }
    }

    private func filterGradient(
        tap: Int, group: Int, first: Int, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
        _ df: UnsafeMutablePointer<Float>
    ) {
        let u = tap / kernelWidth
        let v = tap - u * kernelWidth
        let inner = groupChannels
        let o = group * groupFilters + first
        let lanes = min(8, groupFilters - first)
        let target = df + tap * inner * filters + o
        for q in 0..<inner { store(SIMD8(), target + q * filters, lanes) }
        let top = u * dilation - padding
        let left = v * dilation - padding
        let rows = inside(origin: top, step: stride, count: outputHeight, extent: height)
        let columns = inside(origin: left, step: stride, count: outputWidth, extent: width)
        for image in 0..<images {
            for i in rows {
                for j in columns {
                    let pixel = (image * height + top + i * stride) * width + left + j * stride
                    let source = x + pixel * channels + group * inner
                    let gradient = load(dy + ((image * outputHeight + i) * outputWidth + j) * filters + o, lanes)
                    for q in 0..<inner {
                        let place = target + q * filters
                        store(load(place, lanes) + splat(source[q]) * gradient, place, lanes)
                    }
                }
            }
        }
    }
}
