import Autodiff
import COneDNN

extension Lowering {
    private func descriptions(
        _ x: Shape, _ filter: Shape, _ y: Shape, _ convolution: Convolution
    ) -> ConvolutionDescriptions {
        let key = ConvolutionKey(x, filter, y, convolution)
        if let known = convolutions[key] { return known }
        let made = ConvolutionDescriptions(library, key)
        convolutions[key] = made
        return made
    }

    /// y (or max(y, 0), when a ReLU follows) = conv2d(x, filter, bias).
    func lowerConvolution(_ index: Int, _ convolution: Convolution) throws(AccelerationError) -> Bool {
        if try lowerLaneConvolution(index, convolution) { return true }
        guard convolution.isPlain else { return separate(index) }
        let node = node(index)
        let rectifier = uses.rectifier[index]
        let inputs = node.inputs
        let description = try descriptions(shape(inputs[0]), shape(inputs[1]), node.shape, convolution)
            .forward(bias: inputs.count == 3, rectified: rectifier != nil)
        if description.isReference || !hasRoomForBias(index) { return separate(index) }
        let image = description.descriptor(dnnl_query_src_md)
        let filter = description.descriptor(dnnl_query_weights_md)
        let result = description.descriptor(dnnl_query_dst_md)
        let x = try tensor(inputs[0], as: Layout(image, axes: Layout.imageAxes, shape: shape(inputs[0])))
        let y = Tensor(Layout(result, axes: Layout.imageAxes, shape: node.shape))
        if try lowerBlockedWinograd(index, convolution, x, y.layout) { return true }
        let f = try tensor(inputs[1], as: Layout(filter, axes: Layout.filterAxes, shape: shape(inputs[1])))
        var arguments = [
            (DNNL_ARG_SRC, image, x.storage), (DNNL_ARG_WEIGHTS, filter, f.storage),
            (DNNL_ARG_DST, result, y.storage),
        ]
        if inputs.count == 3 {
            let bias = try tensor(inputs[2], as: .rowMajor(shape(inputs[2])))
            arguments.append((DNNL_ARG_BIAS, description.descriptor(dnnl_query_weights_md, 1), bias.storage))
        }
        add(rectifier == nil ? "conv2d" : "conv2d+relu", description, arguments)
        hold(rectifier ?? index, y)
        return true
    }

    /// With padded filters the library reads past the bias; there are zeros behind leaves, but not behind all results.
    private func hasRoomForBias(_ index: Int) -> Bool {
        let inputs = node(index).inputs
        guard inputs.count == 3, shape(inputs[2]).count % 16 != 0 else { return true }
        return node(inputs[2]).op.isLeaf
    }

    /// The layout that a convolution wants its images in.
    func imageLayout(ofConvolution index: Int) throws(AccelerationError) -> Layout? {
        let node = node(index)
        guard case .conv2d(let convolution) = node.op, convolution.isPlain, !fitsLanes(node.shape) else { return nil }
        let description = try descriptions(
            shape(node.inputs[0]), shape(node.inputs[1]), node.shape, convolution
        )
        .hint()
        if description.isReference { return nil }
        return Layout(
            description.descriptor(dnnl_query_src_md), axes: Layout.imageAxes, shape: shape(node.inputs[0]))
    }

    func lowerInputGradient(_ index: Int, _ convolution: Convolution) throws(AccelerationError) -> Bool {
        let node = node(index)
        let (dy, filter) = (node.inputs[0], node.inputs[1])
        if try lowerLaneInputGradient(index, convolution) { return true }
        guard convolution.isPlain else { return separate(index) }
        let description = try descriptions(node.shape, shape(filter), shape(dy), convolution).inputGradient()
        if description.isReference { return separate(index) }
        let imageLayout = description.descriptor(dnnl_query_diff_src_md)
        let filterLayout = description.descriptor(dnnl_query_weights_md)
        let resultLayout = description.descriptor(dnnl_query_diff_dst_md)
        let gradient = try tensor(dy, as: Layout(resultLayout, axes: Layout.imageAxes, shape: shape(dy)))
        let f = try tensor(filter, as: Layout(filterLayout, axes: Layout.filterAxes, shape: shape(filter)))
        let dx = Tensor(Layout(imageLayout, axes: Layout.imageAxes, shape: node.shape))
        add(
            "conv2dInputGradient", description,
            [
                (DNNL_ARG_DIFF_DST, resultLayout, gradient.storage),
                (DNNL_ARG_WEIGHTS, filterLayout, f.storage),
                (DNNL_ARG_DIFF_SRC, imageLayout, dx.storage),
            ])
        hold(index, dx)
        return true
    }

    /// The filter's gradient, and the bias's where the graph has it.
    func lowerFilterGradient(_ index: Int, _ convolution: Convolution) throws(AccelerationError) -> Bool {
        let node = node(index)
        if try lowerLaneFilterGradient(index, convolution) { return true }
        guard convolution.isPlain else { return separate(index) }
        let (x, dy) = (node.inputs[0], node.inputs[1])
        let bias = uses.biasGradient[index]
        let description = try descriptions(shape(x), node.shape, shape(dy), convolution)
            .filterGradient(bias: bias != nil)
        if description.isReference { return separate(index) }
        let imageLayout = description.descriptor(dnnl_query_src_md)
        let filterLayout = description.descriptor(dnnl_query_diff_weights_md)
        let resultLayout = description.descriptor(dnnl_query_diff_dst_md)
        let image = try tensor(x, as: Layout(imageLayout, axes: Layout.imageAxes, shape: shape(x)))
        let gradient = try tensor(dy, as: Layout(resultLayout, axes: Layout.imageAxes, shape: shape(dy)))
        let df = Tensor(Layout(filterLayout, axes: Layout.filterAxes, shape: node.shape))
        var arguments = [
            (DNNL_ARG_SRC, imageLayout, image.storage), (DNNL_ARG_DIFF_DST, resultLayout, gradient.storage),
            (DNNL_ARG_DIFF_WEIGHTS, filterLayout, df.storage),
        ]
        if let bias {
            let layout = description.descriptor(dnnl_query_diff_weights_md, 1)
            let padded = Layout(descriptor: layout).byteCount
            let db = Tensor(.rowMajor(shape(bias)), Storage(byteCount: padded))
            arguments.append((DNNL_ARG_DIFF_BIAS, layout, db.storage))
            hold(bias, db)
        }
        add("conv2dFilterGradient", description, arguments)
        hold(index, df)
        return true
    }

    /// Gives up the fusions of a node that has no accelerated form.
    func separate(_ index: Int) -> Bool {
        uses.separate(index)
        return false
    }
}
