import Autodiff
import CAcceleration
import COneDNN

/// One maximum pooling of one value.
struct PoolKey: Hashable {
    let source: Int
    let window: Int
}

/// A maximum pooling that was added: where its maxima were, for the gradient.
struct LoweredPool {
    let sizes: deai_pool
    let source: Layout
    let result: Layout
    let places: Storage
}

/// The gradient of a pooled result, from which a filter gradient is made without the gradient between.
struct PooledGradient {
    let dy: Tensor
    let pool: LoweredPool
}

extension Layout {
    /// Channels of an image as blocks of neighbours: how many blocks, lanes of a block, lanes of the last block.
    var channelBlocks: (count: Int, lanes: Int, last: Int)? {
        guard rank == 4, lanes == nil else { return nil }
        if innerBlocks.isEmpty {
            guard extent(3) == 1 || stride(3) == 1, !isPadded else { return nil }
            let count = (extent(3) + 15) / 16
            return (count, 16, extent(3) - 16 * (count - 1))
        }
        guard innerBlocks.count == 1, innerBlocks[0].axis == 3, innerBlocks[0].length <= 16 else {
            return nil
        }
        return (extent(3, padded: true) / innerBlocks[0].length, innerBlocks[0].length, innerBlocks[0].length)
    }

    fileprivate var strides: deai_strides {
        deai_strides(
            image: stride(0), block: innerBlocks.isEmpty ? 16 : stride(3), row: stride(1), pixel: stride(2))
    }

    /// The layout of images of another size with the channels in the same blocks.
    fileprivate func blocked(like shape: Shape) -> Layout {
        guard let block = innerBlocks.first else { return .rowMajor(shape) }
        let tag = block.length == 16 ? dnnl_nChw16c : dnnl_nChw8c
        let dimensions = [shape[0], shape[3], shape[1], shape[2]].map(Int64.init)
        return Layout(
            Library.descriptor { dnnl_memory_desc_init_by_tag(&$0, 4, dimensions, dnnl_f32, tag) },
            axes: Layout.imageAxes, shape: shape)
    }
}

extension Lowering {
    /// Own kernels for windows that do not overlap; others run on the portable ones.
    func lowerPool(_ index: Int, _ pooling: Pooling) throws(AccelerationError) -> Bool {
        let node = node(index)
        guard pooling.window == pooling.stride, pooling.window <= 15 else { return false }
        let x = try pooled(node.inputs[0])
        let result = try pooledLayout(index, source: x.layout)
        guard let blocks = x.layout.channelBlocks, let resultBlocks = result.channelBlocks else {
            return false
        }
        let scatters = uses.users[node.inputs[0]].filter {
            self.node($0).op == .maxPool2dScatter(pooling) && self.node($0).inputs[1] == node.inputs[0]
        }
        let rectified = scatters.contains { uses.scatterRectifier[$0] != nil }
        if rectified {
            for scatter in scatters where uses.scatterRectifier[scatter] == nil { return false }
        }
        let source = shape(node.inputs[0])
        let sizes = deai_pool(
            blocks: Int32(blocks.count), lanes: Int32(blocks.lanes),
            last_lanes: Int32(min(blocks.last, resultBlocks.last)), height: Int32(source[1]),
            width: Int32(source[2]), window: Int32(pooling.window), output_height: Int32(node.shape[1]),
            output_width: Int32(node.shape[2]), rectified: rectified ? 1 : 0, x: x.layout.strides,
            y: result.strides)
        let y = Tensor(result)
        let pixels = node.shape[0] * node.shape[1] * node.shape[2]
        let places = Storage(byteCount: pixels * blocks.count * blocks.lanes)
        let library = library
        let images = node.shape[0]
        let keepsPlaces = !scatters.isEmpty
        add(rectified ? "maxPool2d+relu" : "maxPool2d", [x.storage, y.storage, places]) {
            let (x, y) = (x.storage.floats, y.storage.floats)
            let places = keepsPlaces ? places.pointer.assumingMemoryBound(to: UInt8.self) : nil
            return {
                library.parallel(over: images) { range in
                    withUnsafePointer(to: sizes) {
                        deai_pool_forward($0, x, y, places, Int32(range.lowerBound), Int32(range.upperBound))
                    }
                }
            }
        }
        hold(index, y)
        pools[PoolKey(source: node.inputs[0], window: pooling.window)] = LoweredPool(
            sizes: sizes, source: x.layout, result: result, places: places)
        return true
    }

    /// A value to be pooled, in a layout with blocks of channels.
    private func pooled(_ index: Int) throws(AccelerationError) -> Tensor {
        let present = try tensor(index)
        return present.layout.channelBlocks == nil ? try tensor(index, as: .rowMajor(shape(index))) : present
    }

    /// What the next convolution wants, row-major for all others; with the blocks of the source.
    func pooledLayout(_ index: Int, source: Layout) throws(AccelerationError) -> Layout {
        let shape = shape(index)
        for user in uses.users[index] {
            if let wanted = try imageLayout(ofConvolution: user), let blocks = wanted.channelBlocks,
                let mine = source.channelBlocks, blocks == mine
            {
                return wanted
            }
        }
        let blockedWell = source.isPadded || source.channelBlocks?.lanes != 16
        return blockedWell ? source.blocked(like: shape) : .rowMajor(shape)
    }

    /// The gradient of a pooling that was added before, and of the ReLU under it where the graph has that next.
    func lowerScatter(_ index: Int, _ pooling: Pooling) throws(AccelerationError) -> Bool {
        let node = node(index)
        let key = PoolKey(source: node.inputs[1], window: pooling.window)
        guard pooling.window == pooling.stride, let pool = pools[key] else { return separate(index) }
        if pool.source.lanes != nil { return try lowerLaneScatter(index, pool) }
        let rectifier = uses.scatterRectifier[index]
        let dy = try gradient(node.inputs[0], of: pool)
        var sizes = pool.sizes
        sizes.y = dy.layout.strides
        let dx = Tensor(pool.source)
        let places = pool.places
        let library = library
        let images = node.shape[0]
        add("maxPool2dScatter", [dy.storage, dx.storage, places]) {
            let (dy, dx) = (dy.storage.floats, dx.storage.floats)
            let places = places.pointer.assumingMemoryBound(to: UInt8.self)
            let sizes = sizes
            return {
                library.parallel(over: images) { range in
                    withUnsafePointer(to: sizes) {
                        deai_pool_backward(
                            $0, dy, places, dx, Int32(range.lowerBound), Int32(range.upperBound))
                    }
                }
            }
        }
        hold(rectifier ?? index, dx)
        return true
    }

    private func gradient(_ index: Int, of pool: LoweredPool) throws(AccelerationError) -> Tensor {
        let present = try tensor(index)
        if let blocks = present.layout.channelBlocks, Int32(blocks.count) == pool.sizes.blocks,
            Int32(blocks.lanes) == pool.sizes.lanes, Int32(blocks.last) >= pool.sizes.last_lanes,
            !pool.source.isPadded || present.layout.isPadded
        {
            return present
        }
        return try tensor(index, as: pool.result)
    }

    /// dx = dy where y > 0, over whatever layout y has.
    func lowerReluGradient(_ index: Int) throws(AccelerationError) -> Bool {
        let node = node(index)
        guard shape(node.inputs[0]) == shape(node.inputs[1]) else { return false }
        var y = try tensor(node.inputs[1])
        if y.layout.lanes != nil { y = try tensor(node.inputs[1], as: .rowMajor(node.shape)) }
        let dy = try tensor(node.inputs[0], as: y.layout)
        let dx = Tensor(y.layout)
        let library = library
        let count = y.layout.byteCount / 4
        if y.layout == .rowMajor(node.shape), node.shape.rank == 2, node.shape[0] % 16 == 0 {
            let groups = node.shape[0] / 16
            let columns = node.shape[1]
            add("reluGradient", groups: groups, [dy.storage, y.storage, dx.storage]) {
                let (dy, y, dx) = (dy.storage.floats, y.storage.floats, dx.storage.floats)
                return { thread in
                    let range = library.share(of: groups, thread: thread)
                    let start = range.lowerBound * 16 * columns
                    deai_relu_gradient(dy + start, y + start, dx + start, range.count * 16 * columns)
                }
            }
            hold(index, dx)
            return true
        }
        add("reluGradient", [dy.storage, y.storage, dx.storage]) {
            let (dy, y, dx) = (dy.storage.floats, y.storage.floats, dx.storage.floats)
            let run = { (range: Range<Int>) in
                deai_relu_gradient(
                    dy + range.lowerBound, y + range.lowerBound, dx + range.lowerBound, range.count)
            }
            return count < 32_768 ? { run(0..<count) } : { library.parallel(over: count, run) }
        }
        hold(index, dx)
        return true
    }

    /// a + b, or a alone, with the ReLU that follows, over whatever layout the library gave a.
    func lowerSum(_ index: Int) throws(AccelerationError) -> Bool {
        let inputs = node(index).inputs
        guard node(index).shape.rank == 4, inputs.allSatisfy({ shape($0) == node(index).shape }),
            inputs.allSatisfy({ !pending.contains($0) && !node($0).op.isLeaf })
        else { return false }
        var result = index
        if node(index).op == .add, let relu = onlyUser(index), node(relu).op == .relu {
            skip(index)
            result = relu
        }
        var a = try tensor(inputs[0])
        if a.layout.lanes != nil { a = try tensor(inputs[0], as: .rowMajor(node(index).shape)) }
        let b = inputs.count == 2 ? try tensor(inputs[1], as: a.layout) : nil
        let y = Tensor(a.layout)
        let count = a.layout.byteCount / 4
        let isRectified = node(result).op == .relu
        let library = library
        let touches = [a.storage, y.storage] + (b.map { [$0.storage] } ?? [])
        add(b == nil ? "relu" : isRectified ? "add+relu" : "add", touches) {
            let (a, b, y) = (a.storage.floats, b?.storage.floats, y.storage.floats)
            let run = { (range: Range<Int>) in
                deai_add(
                    a + range.lowerBound, b.map { UnsafePointer($0 + range.lowerBound) }, y + range.lowerBound,
                    isRectified ? 1 : 0, range.count)
            }
            return count < 32_768 ? { run(0..<count) } : { library.parallel(over: count, run) }
        }
        hold(result, y)
        return true
    }

    /// Sums over all axes but the last.
    func lowerColumnSums(_ index: Int, _ axes: AxisSet) throws(AccelerationError) -> Bool {
        let source = shape(node(index).inputs[0])
        guard source.rank >= 2, axes == AxisSet(axes: Array(0..<source.rank - 1)) else { return false }
        if pending.contains(node(index).inputs[0]) && source.count < 4096 { return false }
        let x = try tensor(node(index).inputs[0], as: .rowMajor(source))
        let sums = Tensor(.rowMajor(shape(index)))
        let library = library
        let columns = source[source.rank - 1]
        let rows = source.count / columns
        add("sum", [x.storage, sums.storage]) {
            let (x, sums) = (x.storage.floats, sums.storage.floats)
            let run = { (range: Range<Int>) in
                deai_column_sums(x, rows, columns, sums, range.lowerBound, range.upperBound)
            }
            return rows * columns < 65_536 ? { run(0..<columns) } : { library.parallel(over: columns, run) }
        }
        hold(index, sums)
        return true
    }
}
