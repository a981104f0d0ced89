import Autodiff
import CAcceleration
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
        case (false, false):
            if try lowerDenseRows(index) { return true }
            return try lowerDense(index, FullyConnected(library, m: a[0], k: a[1], n: b[1]))
        case (false, true) where node.inputs.count == 2:
            return try lowerDenseInputGradient(index, FullyConnected(library, m: a[0], k: b[0], n: a[1]))
        case (true, false) where node.inputs.count == 2:
            let inParts = a[1] * b[1] < 65_536
            return try lowerDenseWeightGradient(
                index, FullyConnected(library, m: a[0], k: a[1], n: b[1], inParts: inParts))
        default: return separate(index)
        }
    }

    /// A few images: threads share out the weights, which the library leaves to one of them.
    private func lowerDenseRows(_ index: Int) throws(AccelerationError) -> Bool {
        let node = node(index)
        let (rows, weights) = (shape(node.inputs[0])[0], shape(node.inputs[1]))
        // Gradients want the weights in a layout of the library's.
        let isInUse = uses.users[node.inputs[1]].allSatisfy {
            self.node($0).op == .matmul(transposeA: false, transposeB: false)
        }
        guard rows < 16, isInUse, weights[1] % 16 == 0, weights.count >= 65_536 else { return false }
        let rectifier = uses.rectifier[index]
        let x = try tensor(node.inputs[0], as: .rowMajor(shape(node.inputs[0]))).storage
        let w = try tensor(node.inputs[1], as: .rowMajor(weights)).storage
        let bias = node.inputs.count == 3 ? try tensor(node.inputs[2], as: .rowMajor([weights[1]])).storage : nil
        let y = Tensor(.rowMajor(node.shape))
        let library = library
        add("dense rows" + (rectifier == nil ? "" : "+relu"), [x, w, y.storage] + [bias].compactMap { $0 }) {
            let (x, w, bias, y) = (x.floats, w.floats, bias?.floats, y.storage.floats)
            return {
                library.parallel(over: weights[1] / 16) { range in
                    deai_dense_rows(
                        x, Int32(rows), weights[0], w, weights[1], bias, rectifier == nil ? 0 : 1, y,
                        Int32(range.lowerBound * 16), Int32(range.upperBound * 16))
                }
            }
        }
        hold(rectifier ?? index, y)
        return true
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
            SharedArgument(DNNL_ARG_SRC, layer.source, x.storage),
            SharedArgument(DNNL_ARG_WEIGHTS, weights, w.storage, isShared: true),
            SharedArgument(DNNL_ARG_DST, layer.result, y.storage),
        ]
        if node.inputs.count == 3 {
            let bias = try tensor(node.inputs[2], as: .rowMajor(shape(node.inputs[2])))
            arguments.append(SharedArgument(DNNL_ARG_BIAS, layer.bias, bias.storage, isShared: true))
        }
        add(rectifier == nil ? "dense" : "dense+relu", layer, description, arguments)
        hold(rectifier ?? index, y)
        return true
    }

    private func lowerDenseInputGradient(_ index: Int, _ layer: FullyConnected) throws(AccelerationError)
        -> Bool
    {
        let node = node(index)
        let description = try layer.inputGradient()
        if description.isReference { return false }
        let weights = description.descriptor(dnnl_query_weights_md)
        let dy = try tensor(node.inputs[0], as: .rowMajor(shape(node.inputs[0])))
        let w = try tensor(
            node.inputs[1], as: Layout(weights, axes: Layout.denseAxes, shape: shape(node.inputs[1])))
        let dx = Tensor(.rowMajor(node.shape))
        add(
            "denseInputGradient", layer, description,
            [
                SharedArgument(DNNL_ARG_DIFF_DST, layer.result, dy.storage),
                SharedArgument(DNNL_ARG_WEIGHTS, weights, w.storage, isShared: true),
                SharedArgument(DNNL_ARG_DIFF_SRC, layer.source, dx.storage),
            ])
        hold(index, dx)
        return true
    }

    /// The weights' gradient, and the bias's where the graph has it.
    private func lowerDenseWeightGradient(_ index: Int, _ layer: FullyConnected) throws(AccelerationError)
        -> Bool
    {
        let node = node(index)
        let bias = uses.biasGradient[index]
        let description = try layer.weightGradient(bias: bias != nil)
        if description.isReference { return separate(index) }
        let weights = description.descriptor(dnnl_query_diff_weights_md)
        let x = try tensor(node.inputs[0], as: .rowMajor(shape(node.inputs[0])))
        let dy = try tensor(node.inputs[1], as: .rowMajor(shape(node.inputs[1])))
        let dw = Tensor(Layout(weights, axes: Layout.denseAxes, shape: node.shape))
        let parts = layer.groups == nil ? 1 : library.threads
        // Where each thread sums over its own rows, the sums are added afterwards.
        let weightParts = parts == 1 ? dw.storage : Storage(byteCount: dw.layout.byteCount * parts)
        var arguments = [
            SharedArgument(DNNL_ARG_SRC, layer.source, x.storage),
            SharedArgument(DNNL_ARG_DIFF_DST, layer.result, dy.storage),
            SharedArgument(DNNL_ARG_DIFF_WEIGHTS, weights, weightParts),
        ]
        if let bias {
            let db = Tensor(.rowMajor(shape(bias)))
            let biasParts = parts == 1 ? db.storage : Storage(byteCount: db.layout.byteCount * parts)
            arguments.append(SharedArgument(DNNL_ARG_DIFF_BIAS, layer.bias, biasParts))
            add("denseWeightGradient", layer, description, arguments)
            if parts > 1 { addSum(of: biasParts, parts, count: shape(bias).count, to: db.storage) }
            hold(bias, db)
        } else {
            add("denseWeightGradient", layer, description, arguments)
        }
        if parts > 1 { addSum(of: weightParts, parts, count: dw.layout.byteCount / 4, to: dw.storage) }
        hold(index, dw)
        return true
    }

    /// Adds up what the threads made, in their order.
    func addSum(of parts: Storage, _ threads: Int, count: Int, to sum: Storage) {
        let library = library
        add("sum of threads", [parts, sum]) {
            let (parts, sum) = (parts.floats, sum.floats)
            let run = { (range: Range<Int>) in
                deai_sum_parts(parts, threads, count, range.lowerBound, range.count, sum + range.lowerBound)
            }
            return count < 65_536 ? { run(0..<count) } : { library.parallel(over: count, run) }
        }
    }
}
