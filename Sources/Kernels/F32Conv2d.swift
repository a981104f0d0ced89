/// Sizes of a two-dimensional convolution of NHWC images with an HWIO filter, with its two gradients.
///
/// No matrix of patches is built: a row of A is a place in the zero-padded image, and goes on in runs of one kernel row.
public struct F32Conv2d: Sendable {
    public let images: Int
    public let height: Int
    public let width: Int
    public let channels: Int
    public let kernelHeight: Int
    public let kernelWidth: Int
    public let filters: Int
    public let stride: Int
    public let padding: Int
    public let outputHeight: Int
    public let outputWidth: Int

    /// Padding must be smaller than the kernel, and the kernel fit into the padded image.
    public init(
        images: Int, height: Int, width: Int, channels: Int, kernelHeight: Int, kernelWidth: Int,
        filters: Int,
        stride: Int, padding: Int
    ) {
        precondition(stride >= 1 && padding >= 0 && padding < kernelHeight && padding < kernelWidth)
        self.images = images
        self.height = height
        self.width = width
        self.channels = channels
        self.kernelHeight = kernelHeight
        self.kernelWidth = kernelWidth
        self.filters = filters
        self.stride = stride
        self.padding = padding
        outputHeight = (height + 2 * padding - kernelHeight) / stride + 1
        outputWidth = (width + 2 * padding - kernelWidth) / stride + 1
    }

    private var paddedHeight: Int { height + 2 * padding }
    private var paddedWidth: Int { width + 2 * padding }
    /// Floats of one padded image.
    private var paddedCount: Int { paddedHeight * paddedWidth * channels }
    private var taps: Int { kernelHeight * kernelWidth }
    /// An Int32 for each output place of an image, or for each element of a filter plane.
    private var placesCount: Int { max(outputHeight * outputWidth, taps * channels) }

    // MARK: y = conv(x, filter)

    /// Floats of scratch memory that `forward` needs.
    public var forwardScratchCount: Int {
        f32PackedCount(depth: taps * channels, columns: filters) + placesCount
            + (padding > 0 ? images * paddedCount : 0)
    }

    /// Writes y[b, i, j, o] = bias[o] + Σ x[b, i·stride + u − padding, j·stride + v − padding, q]·filter[u, v, q, o].
    public func forward(
        _ x: UnsafePointer<Float>, _ filter: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        _ y: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        let size = self
        let packed = scratch + placesCount
        f32PackPanels(
            filter, depth: taps * channels, columns: filters, into: packed, workers: workers
        ) { p, j in p &* size.filters &+ j }
        let padded = packed + f32PackedCount(depth: taps * channels, columns: filters)
        F32Correlation(
            rowLength: paddedWidth * channels, pixel: stride * channels,
            line: stride * paddedWidth * channels,
            kernelHeight: kernelHeight, runLength: kernelWidth * channels, outputHeight: outputHeight,
            outputWidth: outputWidth, columns: filters
        ).run(
            images: images, packed: packed, bias: bias, y, places: scratch, workers: workers
        ) { image in
            let source = x + image * size.height * size.width * size.channels
            if size.padding == 0 { return source }
            let target = padded + image * size.paddedCount
            size.pad(source, into: target)
            return UnsafePointer(target)
        }
    }

    /// Copies an image into the middle of zeros.
    private func pad(_ x: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
        let line = paddedWidth * channels
        let side = padding * channels
        let inner = width * channels
        let top = padding * line + side
        (target).update(repeating: 0, count: top)
        for i in 0..<height {
            let row = target + top + i * line
            row.update(from: x + i * inner, count: inner)
            (row + inner).update(repeating: 0, count: 2 * side)
        }
        let written = top + height * line
        (target + written).update(repeating: 0, count: paddedCount - written)
    }

    // MARK: gradient with respect to x

    private var dilatedHeight: Int { height + kernelHeight - 1 }
    private var dilatedWidth: Int { width + kernelWidth - 1 }
    private var dilatedCount: Int { dilatedHeight * dilatedWidth * filters }

    /// Floats of scratch memory that `inputGradient` needs.
    public var inputGradientScratchCount: Int {
        f32PackedCount(depth: taps * filters, columns: channels) + height * width + images * dilatedCount
    }

    /// Writes dx, the correlation of dy, spread out by the stride among zeros, with the filter turned by 180°.
    public func inputGradient(
        _ dy: UnsafePointer<Float>, _ filter: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        let size = self
        let packed = scratch + height * width
        f32PackPanels(
            filter, depth: taps * filters, columns: channels, into: packed, workers: workers
        ) { p, j in
            let tap = p / size.filters
            return ((size.taps - 1 - tap) * size.channels + j) * size.filters + (p - tap * size.filters)
        }
        let dilated = packed + f32PackedCount(depth: taps * filters, columns: channels)
        F32Correlation(
            rowLength: dilatedWidth * filters, pixel: filters, line: dilatedWidth * filters,
            kernelHeight: kernelHeight, runLength: kernelWidth * filters, outputHeight: height,
            outputWidth: width, columns: channels
        ).run(
            images: images, packed: packed, bias: nil, dx, places: scratch, workers: workers
        ) { image in
            let target = dilated + image * size.dilatedCount
            size.dilate(dy + image * size.outputHeight * size.outputWidth * size.filters, into: target)
            return UnsafePointer(target)
        }
    }

    /// Places each pixel of dy where its window began, in the coordinates of the turned filter.
    private func dilate(_ dy: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
        target.update(repeating: 0, count: dilatedCount)
        let left = (kernelWidth - 1 - padding) * filters
        for i in 0..<outputHeight {
            let row = target + (i * stride + kernelHeight - 1 - padding) * dilatedWidth * filters + left
            let source = dy + i * outputWidth * filters
            if stride == 1 {
                row.update(from: source, count: outputWidth * filters)
            } else {
                for j in 0..<outputWidth {
                    (row + j * stride * filters).update(from: source + j * filters, count: filters)
                }
            }
        }
    }

    // MARK: gradient with respect to the filter

    /// Floats of scratch memory that `filterGradient` needs.
    public var filterGradientScratchCount: Int { placesCount + (padding > 0 ? images * paddedCount : 0) }

    /// Floats past the end of dy that `filterGradient` may read, without effect on the result.
    public static let overread = 16

    /// Writes df[u, v, q, o] = Σ x[b, i·stride + u − padding, …]·dy[b, i, j, o], (b, i, j) ascending.
    public func filterGradient(
        _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ df: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        let size = self
        let imageCount = height * width * channels
        let outputCount = outputHeight * outputWidth * filters
        let padded = scratch + placesCount
        if padding > 0 {
            workers.forEachRange(images, grain: max(1, 65_536 / paddedCount)) { range in
                for image in range {
                    size.pad(x + image * imageCount, into: padded + image * size.paddedCount)
                }
            }
        }
        let source = padding > 0 ? UnsafePointer(padded) : x
        let sourceCount = padding > 0 ? paddedCount : imageCount
        let places = F32Places(scratch)
        for u in 0..<kernelHeight {
            for q in 0..<kernelWidth * channels {
                places.set(u * kernelWidth * channels + q, u * paddedWidth * channels + q)
            }
        }
        let units = product(dy, start: nil).units
        workers.forEachRange(units, grain: max(1, units / 8)) { range in
            for image in 0..<size.images {
                size.product(dy + image * outputCount, start: image == 0 ? nil : UnsafePointer(df)).compute(
                    range, a: source + image * sourceCount, c: df, cStride: size.filters
                ) { places[$0] }
            }
        }
    }

    /// One image's part of the filter gradient; sums go on from `start`.
    private func product(_ dy: UnsafePointer<Float>, start: UnsafePointer<Float>?) -> F32Product {
        F32Product(
            rows: taps * channels, columns: filters,
            depth: F32Depth(
                runs: outputHeight, runStride: stride * paddedWidth * channels, length: outputWidth,
                stride: stride * channels),
            b: dy, bStride: filters, bPanelStride: 16, start: start, startStride: filters)
    }
}

/// Offsets kept as 32-bit integers in float scratch memory.
struct F32Places {
    private let memory: UnsafeMutableRawPointer

    init(_ scratch: UnsafeMutablePointer<Float>) { memory = UnsafeMutableRawPointer(scratch) }

    @inline(__always)
    subscript(_ index: Int) -> Int { Int(memory.load(fromByteOffset: index &* 4, as: Int32.self)) }

    func set(_ index: Int, _ place: Int) {
        memory.storeBytes(of: Int32(place), toByteOffset: index * 4, as: Int32.self)
    }
}

/// A packed filter slid over images that need no more padding.
private struct F32Correlation {
    /// From one line of the image to the next, from one output pixel and one output line to the next.
    let rowLength: Int
    let pixel: Int
    let line: Int
    let kernelHeight: Int
    let runLength: Int
    let outputHeight: Int
    let outputWidth: Int
    let columns: Int

    /// - Parameter image: makes an image ready and gives its place; called by the worker that uses it.
    @inline(__always)
    func run(
        images: Int, packed: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        _ y: UnsafeMutablePointer<Float>, places memory: UnsafeMutablePointer<Float>, workers: Workers,
        image source: (Int) -> UnsafePointer<Float>
    ) {
        let places = F32Places(memory)
        for i in 0..<outputHeight {
            for j in 0..<outputWidth { places.set(i * outputWidth + j, i * line + j * pixel) }
        }
        let depth = kernelHeight * runLength
        let product = F32Product(
            rows: outputHeight * outputWidth, columns: columns,
            depth: F32Depth(runs: kernelHeight, runStride: rowLength, length: runLength), b: packed,
            bStride: 16,
            bPanelStride: 16 * depth, start: bias, startStride: 0)
        let work = outputHeight * outputWidth * columns * depth
        workers.forEachRange(images, grain: max(1, 500_000 / max(1, work))) { range in
            for image in range {
                product.compute(
                    0..<product.units, a: source(image), c: y + image * outputHeight * outputWidth * columns,
                    cStride: columns
                ) { places[$0] }
            }
        }
    }
}
