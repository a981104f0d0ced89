import Autodiff
import COneDNN

extension Lowering {
    /// The library's fully connected layer and its two gradients cover three of the four products.
    ///
    /// With src [m, k], weights [k, n] and dst [m, n]: a·b is the layer, a·bᵀ its data gradient (a = ddst, b = weights),
    /// aᵀ·b its weight gradient (a = src, b = ddst).
    func lowerProduct(_ index: Int, transposeA: Bool, transposeB: Bool) throws(AccelerationError) -> Bool {
        let node = node(index)
        let (a, b) = (shape(node.inputs[0]), shape(node.inputs[1]))
        switch (transposeA, transposeB) {
        case (false, false): return try lowerDense(index, FullyConnected(library, m: a[0], k: a[1], n: b[1]))
        case (false, true) where node.inputs.count == 2:
            return try lowerDenseInputGradient(index, FullyConnected(library, m: a[0], k: b[0], n: a[1]))
        case (true, false) where node.inputs.count == 2:
            return try lowerDenseWeightGradient(index, FullyConnected(library, m: a[0], k: a[1], n: b[1]))
        default: return separate(index)
        }
    }

    private func lowerDense(_ index: Int, _ layer: FullyConnected) throws(AccelerationError) -> Bool {
        let node = node(index)
        let rectifier = uses.rectifier[index]
        let description = try layer.forward(bias: node.inputs.count == 3, rectified: rectifier != nil)
        if description.isReference { return separate(index) }
        let weights = description.descriptor(dnnl_query_weights_md)
        let x = try tensor(node.inputs[0], as: .rowMajor(shape(node.inputs[0])))
        let w = try tensor(
            node.inputs[1], as: Layout(weights, axes: Layout.denseAxes, shape: shape(node.inputs[1])))
        let y = Tensor(.rowMajor(node.shape))
        var arguments = [
            (DNNL_ARG_SRC, layer.source, x.storage), (DNNL_ARG_WEIGHTS, weights, w.storage),
            (DNNL_ARG_DST, layer.result, y.storage),
        ]
        if node.inputs.count == 3 {
            let bias = try tensor(node.inputs[2], as: .rowMajor(shape(node.inputs[2])))
            arguments.append((DNNL_ARG_BIAS, layer.bias, bias.storage))
        }
        add(rectifier == nil ? "dense" : "dense+relu", description, arguments)
        hold(rectifier ?? index, y)
        return true
    }

    private func lowerDenseInputGradient(_ index: Int, _ layer: FullyConnected) throws(AccelerationError) -> Bool {
        let node = node(index)
        let description = try layer.inputGradient()
        if description.isReference { return false }
        let weights = description.descriptor(dnnl_query_weights_md)
        let dy = try tensor(node.inputs[0], as: .rowMajor(shape(node.inputs[0])))
        let w = try tensor(
            node.inputs[1], as: Layout(weights, axes: Layout.denseAxes, shape: shape(node.inputs[1])))
        let dx = Tensor(.rowMajor(node.shape))
        add(
            "denseInputGradient", description,
            [
                (DNNL_ARG_DIFF_DST, layer.result, dy.storage), (DNNL_ARG_WEIGHTS, weights, w.storage),
                (DNNL_ARG_DIFF_SRC, layer.source, dx.storage),
            ])
        hold(index, dx)
        return true
    }

    private func lowerDenseWeightGradient(_ index: Int, _ layer: FullyConnected) throws(AccelerationError) -> Bool {
        let node = node(index)
        let description = try layer.weightGradient()
        if description.isReference { return false }
        let weights = description.descriptor(dnnl_query_diff_weights_md)
        let x = try tensor(node.inputs[0], as: .rowMajor(shape(node.inputs[0])))
        let dy = try tensor(node.inputs[1], as: .rowMajor(shape(node.inputs[1])))
        let dw = Tensor(Layout(weights, axes: Layout.denseAxes, shape: node.shape))
        add(
            "denseWeightGradient", description,
            [
                (DNNL_ARG_SRC, layer.source, x.storage), (DNNL_ARG_DIFF_DST, layer.result, dy.storage),
                (DNNL_ARG_DIFF_WEIGHTS, weights, dw.storage),
            ])
        hold(index, dw)
        return true
    }
}

/// A fully connected layer as the library describes it: row-major activations, weights in a layout of its choice.
struct FullyConnected {
    private let library: Library
    var source: dnnl_memory_desc_t
    var weights: dnnl_memory_desc_t
    var bias: dnnl_memory_desc_t
    var result: dnnl_memory_desc_t

    init(_ library: Library, m: Int, k: Int, n: Int) {
        self.library = library
        source = Layout.rowMajor([m, k]).descriptor
        weights = Layout.any([n, k])
        bias = Layout.rowMajor([n]).descriptor
        result = Layout.rowMajor([m, n]).descriptor
    }

    func forward(bias hasBias: Bool, rectified: Bool) throws(AccelerationError) -> PrimitiveDescription {
        var (source, weights, bias, result) = (source, weights, bias, result)
        var description = dnnl_inner_product_desc_t()
        let status = withUnsafePointer(to: &bias) {
            dnnl_inner_product_forward_desc_init(
                &description, dnnl_forward_training, &source, &weights, hasBias ? $0 : nil, &result)
        }
        try Library.check("dnnl_inner_product_forward_desc_init", status)
        return try PrimitiveDescription(library, "matmul", description, rectified: rectified)
    }

    func inputGradient() throws(AccelerationError) -> PrimitiveDescription {
        var (source, weights, result) = (source, weights, result)
        var description = dnnl_inner_product_desc_t()
        try Library.check(
            "dnnl_inner_product_backward_data_desc_init",
            dnnl_inner_product_backward_data_desc_init(&description, &source, &weights, &result))
        return try PrimitiveDescription(
            library, "matmul", description, hint: try forward(bias: false, rectified: false))
    }

    func weightGradient() throws(AccelerationError) -> PrimitiveDescription {
        var (source, weights, result) = (source, weights, result)
        var description = dnnl_inner_product_desc_t()
        try Library.check(
            "dnnl_inner_product_backward_weights_desc_init",
            dnnl_inner_product_backward_weights_desc_init(&description, &source, &weights, nil, &result))
        return try PrimitiveDescription(
            library, "matmul", description, hint: try forward(bias: false, rectified: false))
    }
}
