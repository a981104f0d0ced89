import Autodiff
import COneDNN

/// The sizes of a convolution, with channels as the library gets them.
struct ConvolutionKey: Hashable {
    let image: [Int64]
    let filter: [Int64]
    let result: [Int64]
    let stride: Int64
    let padding: Int64

    /// - Parameters: shapes of x (NHWC), the filter (HWIO) and y as in the graph.
    init(_ x: Shape, _ filter: Shape, _ y: Shape, _ convolution: Convolution) {
        // Up to three channels have code of their own; other odd counts would fall to the reference code.
        let channels = Int64(x[3] <= 3 ? x[3] : ConvolutionKey.padded(x[3]))
        let filters = Int64(ConvolutionKey.padded(filter[3]))
        image = [Int64(x[0]), channels, Int64(x[1]), Int64(x[2])]
        self.filter = [filters, channels, Int64(filter[0]), Int64(filter[1])]
        result = [Int64(y[0]), filters, Int64(y[1]), Int64(y[2])]
        stride = Int64(convolution.stride)
        padding = Int64(convolution.padding)
    }

    private static func padded(_ channels: Int) -> Int {
        (channels + Library.channelBlock - 1) / Library.channelBlock * Library.channelBlock
    }
}

/// What the library offers for one convolution and its gradients, asked for once.
final class ConvolutionDescriptions {
    private let library: Library
    private let key: ConvolutionKey
    private var image: dnnl_memory_desc_t
    private var filter: dnnl_memory_desc_t
    private var bias: dnnl_memory_desc_t
    private var result: dnnl_memory_desc_t
    private var plain: PrimitiveDescription?
    private var strides: [Int64] { [key.stride, key.stride] }
    private var padding: [Int64] { [key.padding, key.padding] }

    init(_ library: Library, _ key: ConvolutionKey) {
        self.library = library
        self.key = key
        image = Layout.any(key.image.map(Int.init))
        filter = Layout.any(key.filter.map(Int.init))
        bias = Layout.any([Int(key.filter[0])])
        result = Layout.any(key.result.map(Int.init))
    }

    func forward(bias hasBias: Bool, rectified: Bool) throws(AccelerationError) -> PrimitiveDescription {
        var description = dnnl_convolution_desc_t()
        let status = withUnsafePointer(to: &bias) {
            dnnl_convolution_forward_desc_init(
                &description, dnnl_forward_training, dnnl_convolution_direct, &image, &filter,
                hasBias ? $0 : nil, &result, strides, padding, padding)
        }
        try Library.check("dnnl_convolution_forward_desc_init", status)
        return try PrimitiveDescription(library, "conv2d", description, rectified: rectified)
    }

    /// The forward operation without anything fused; what gradients are asked for with.
    func hint() throws(AccelerationError) -> PrimitiveDescription {
        if let plain { return plain }
        let made = try forward(bias: true, rectified: false)
        plain = made
        return made
    }

    func inputGradient() throws(AccelerationError) -> PrimitiveDescription {
        var description = dnnl_convolution_desc_t()
        try Library.check(
            "dnnl_convolution_backward_data_desc_init",
            dnnl_convolution_backward_data_desc_init(
                &description, dnnl_convolution_direct, &image, &filter, &result, strides, padding, padding))
        return try PrimitiveDescription(library, "conv2dInputGradient", description, hint: try hint())
    }

    func filterGradient(bias hasBias: Bool) throws(AccelerationError) -> PrimitiveDescription {
        var description = dnnl_convolution_desc_t()
        let status = withUnsafePointer(to: &bias) {
            dnnl_convolution_backward_weights_desc_init(
                &description, dnnl_convolution_direct, &image, &filter, hasBias ? $0 : nil, &result, strides,
                padding, padding)
        }
        try Library.check("dnnl_convolution_backward_weights_desc_init", status)
        return try PrimitiveDescription(library, "conv2dFilterGradient", description, hint: try hint())
    }
}
