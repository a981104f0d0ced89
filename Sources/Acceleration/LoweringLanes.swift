import Autodiff
import CAcceleration

/// A convolution, its ReLU and its 2x2 pooling, which one own kernel makes together.
private struct PooledConvolution {
    let rectifier: Int
    let pool: Int
    let scatters: [Int]
}

extension Lowering {
    /// Whether the convolution may run with images in lanes, and what runs with it.
    ///
    /// Nobody may need the numbers between: the ReLU is seen by the pooling and by its gradient only.
    private func pooledConvolution(_ index: Int, _ convolution: Convolution) -> PooledConvolution? {
        let node = node(index)
        guard usesLanes, convolution.stride == 1, node.inputs.count == 3, node.shape[0] % 16 == 0,
            node.shape[1] % 2 == 0, node.shape[2] % 2 == 0, let rectifier = uses.rectifier[index],
            !uses.isOutput[rectifier]
        else { return nil }
        let pooling = Pooling(window: 2, stride: 2)
        var pool: Int?
        var scatters: [Int] = []
        for user in uses.users[rectifier] {
            switch self.node(user).op {
            case .maxPool2d(pooling): pool = user
            case .maxPool2dScatter(pooling) where uses.scatterRectifier[user] != nil: scatters.append(user)
            // Fused into the pooling's gradient.
            case .reluGradient where uses.fusedInto[user] != nil: continue
            default: return nil
            }
        }
        guard let pool else { return nil }
        return PooledConvolution(rectifier: rectifier, pool: pool, scatters: scatters)
    }

    /// The border that the next convolution needs around its image, 0 when another op comes next.
    private func borderWanted(_ index: Int) -> Int {
        for user in uses.users[index] {
            if case .conv2d(let convolution) = node(user).op, pooledConvolution(user, convolution) != nil {
                return convolution.padding
            }
        }
        return 0
    }

    func lowerLaneConvolution(_ index: Int, _ convolution: Convolution) throws(AccelerationError) -> Bool {
        guard let fused = pooledConvolution(index, convolution) else { return false }
        let node = node(index)
        let image = shape(node.inputs[0])
        let filter = shape(node.inputs[1])
        let x = try tensor(node.inputs[0], as: .lanes(image, border: convolution.padding))
        let f = try tensor(node.inputs[1], as: .rowMajor(filter))
        let b = try tensor(node.inputs[2], as: .rowMajor(shape(node.inputs[2])))
        let border = borderWanted(fused.pool)
        let y = Tensor(.lanes(shape(fused.pool), border: border), lasting: border > 0)
        guard let source = x.layout.lanes, let target = y.layout.lanes else { return false }
        let places = Storage(byteCount: shape(fused.pool).count)
        let keepsPlaces = !fused.scatters.isEmpty
        let sizes = deai_lane_convolution(
            channels: Int32(image[3]), filters: Int32(filter[3]), kernel_height: Int32(filter[0]),
            kernel_width: Int32(filter[1]), padding: Int32(convolution.padding),
            output_height: Int32(node.shape[1]), output_width: Int32(node.shape[2]), x: source.strides,
            y: target.strides)
        let library = library
        let winograd = WinogradScratch(sizes, gradient: false, threads: library.threads)
        let touches = [x.storage, f.storage, b.storage, y.storage, places] + (winograd.map { [$0.storage] } ?? [])
        let name = winograd == nil ? "lanes conv2d+relu+maxPool2d" : "lanes winograd+relu+maxPool2d"
        add(name, groups: source.groups, touches) {
            let (x, y) = (x.storage.floats + source.origin, y.storage.floats + target.origin)
            let (f, b) = (f.storage.floats, b.storage.floats)
            let places = keepsPlaces ? places.pointer.assumingMemoryBound(to: UInt8.self) : nil
            return { thread in
                let range = library.share(of: source.groups, thread: thread)
                let (first, end) = (Int32(range.lowerBound), Int32(range.upperBound))
                withUnsafePointer(to: sizes) {
                    if let winograd {
                        deai_winograd($0, x, f, b, y, places, winograd.part(thread), first, end)
                    } else {
                        deai_lane_convolution_pooled($0, x, f, b, y, places, first, end)
                    }
                }
            }
        }
        hold(fused.pool, y)
        let pool = deai_pool(
            blocks: Int32(filter[3]), lanes: 16, last_lanes: 16, height: Int32(node.shape[1]),
            width: Int32(node.shape[2]), window: 2, output_height: Int32(node.shape[1] / 2),
            output_width: Int32(node.shape[2] / 2), rectified: 1, x: deai_strides(), y: deai_strides())
        pools[PoolKey(source: fused.rectifier, window: 2)] = LoweredPool(
            sizes: pool, source: .lanes(node.shape, border: 0), result: .lanes(shape(fused.pool), border: 0),
            places: places)
        // The ReLU's numbers are nowhere; only fused ops ask for them, and they look at the pool.
        skip(fused.rectifier)
        return true
    }

    /// The gradient of the pooling and the ReLU, with the border that the data gradient needs.
    func lowerLaneScatter(_ index: Int, _ pool: LoweredPool) throws(AccelerationError) -> Bool {
        guard let rectifier = uses.scatterRectifier[index] else { preconditionFailure("checked before fusing") }
        let node = node(index)
        var border = 0
        for user in uses.users[rectifier] {
            if case .conv2dInputGradient(let convolution) = self.node(user).op {
                border = shape(self.node(user).inputs[1])[0] - 1 - convolution.padding
            }
        }
        let present = try tensor(node.inputs[0])
        let dy = present.layout.lanes == nil ? try tensor(node.inputs[0], as: pool.result) : present
        let dx = Tensor(.lanes(node.shape, border: border), lasting: border > 0)
        guard let source = dy.layout.lanes, let target = dx.layout.lanes else { return false }
        var sizes = pool.sizes
        sizes.x = deai_strides(target.strides)
        sizes.y = deai_strides(source.strides)
        let places = pool.places
        let library = library
        add("lanes maxPool2dScatter", groups: target.groups, [dy.storage, dx.storage, places]) {
            let (dy, dx) = (dy.storage.floats + source.origin, dx.storage.floats + target.origin)
            let places = places.pointer.assumingMemoryBound(to: UInt8.self)
            let sizes = sizes
            return { thread in
                let range = library.share(of: target.groups, thread: thread)
                withUnsafePointer(to: sizes) {
                    deai_pool_backward($0, dy, places, dx, Int32(range.lowerBound), Int32(range.upperBound))
                }
            }
        }
        hold(rectifier, dx)
        return true
    }

    func lowerLaneInputGradient(_ index: Int, _ convolution: Convolution) throws(AccelerationError) -> Bool {
        let node = node(index)
        let filter = shape(node.inputs[1])
        let border = filter[0] - 1 - convolution.padding
        guard let dy = held[node.inputs[0]].first, let source = dy.layout.lanes, filter[0] == filter[1],
            source.border == border
        else { return false }
        let f = try tensor(node.inputs[1], as: .rowMajor(filter))
        // Each thread turns the filter for itself, so that none waits.
        let turnedCount = (filter.count + 15) / 16 * 16
        let turned = Storage(byteCount: turnedCount * library.threads * 4)
        let dx = Tensor(.lanes(node.shape, border: 0))
        guard let target = dx.layout.lanes else { return false }
        let sizes = deai_lane_convolution(
            channels: Int32(filter[3]), filters: Int32(filter[2]), kernel_height: Int32(filter[0]),
            kernel_width: Int32(filter[1]), padding: Int32(border), output_height: Int32(node.shape[1]),
            output_width: Int32(node.shape[2]), x: source.strides, y: target.strides)
        let library = library
        let winograd = WinogradScratch(sizes, gradient: false, threads: library.threads)
        let touches = [dy.storage, f.storage, turned, dx.storage] + (winograd.map { [$0.storage] } ?? [])
        let name = winograd == nil ? "lanes conv2dInputGradient" : "lanes winograd conv2dInputGradient"
        add(name, groups: source.groups, touches) {
            let (dy, dx) = (dy.storage.floats + source.origin, dx.storage.floats + target.origin)
            let (f, turned) = (f.storage.floats, turned.floats)
            return { thread in
                let range = library.share(of: source.groups, thread: thread)
                let mine = turned + thread * turnedCount
                deai_turn_filter(f, Int32(filter[0]), Int32(filter[1]), Int32(filter[2]), Int32(filter[3]), mine)
                let (first, end) = (Int32(range.lowerBound), Int32(range.upperBound))
                withUnsafePointer(to: sizes) {
                    if let winograd {
                        deai_winograd($0, dy, mine, nil, dx, nil, winograd.part(thread), first, end)
                    } else {
                        deai_lane_convolution_plain(
                            $0, dy, mine, dx, Int32(source.height), Int32(source.width), first, end)
                    }
                }
            }
        }
        hold(index, dx)
        return true
    }

    /// Each thread sums over its own images; the sums are added in the order of the threads.
    func lowerLaneFilterGradient(_ index: Int, _ convolution: Convolution) throws(AccelerationError) -> Bool {
        let node = node(index)
        guard let dy = held[node.inputs[1]].first, let slopes = dy.layout.lanes, convolution.stride == 1 else {
            return false
        }
        let image = shape(node.inputs[0])
        let filter = node.shape
        let x = try tensor(node.inputs[0], as: .lanes(image, border: convolution.padding))
        guard let source = x.layout.lanes else { return false }
        let part = (filter.count + filter[3] + 15) / 16 * 16
        let parts = Storage(byteCount: part * library.threads * 4)
        let df = Tensor(.rowMajor(filter))
        let db = Tensor(.rowMajor([filter[3]]))
        let sizes = deai_lane_convolution(
            channels: Int32(filter[2]), filters: Int32(filter[3]), kernel_height: Int32(filter[0]),
            kernel_width: Int32(filter[1]), padding: Int32(convolution.padding),
            output_height: Int32(slopes.height), output_width: Int32(slopes.width), x: source.strides,
            y: slopes.strides)
        let library = library
        let winograd = WinogradScratch(sizes, gradient: true, threads: library.threads)
        let touches = [x.storage, dy.storage, parts] + (winograd.map { [$0.storage] } ?? [])
        let name = winograd == nil ? "lanes conv2dFilterGradient" : "lanes winograd conv2dFilterGradient"
        add(name, groups: source.groups, touches) {
            let (x, dy) = (x.storage.floats + source.origin, dy.storage.floats + slopes.origin)
            let parts = parts.floats
            return { thread in
                let mine = parts + thread * part
                let range = library.share(of: source.groups, thread: thread)
                let (first, end) = (Int32(range.lowerBound), Int32(range.upperBound))
                withUnsafePointer(to: sizes) {
                    if let winograd {
                        deai_winograd_gradient(
                            $0, x, dy, mine, mine + filter.count, winograd.part(thread), first, end)
                    } else {
                        deai_lane_filter_gradient($0, x, dy, mine, mine + filter.count, first, end)
                    }
                }
            }
        }
        add("sum of threads", [parts, df.storage, db.storage]) {
            let (df, db, parts) = (df.storage.floats, db.storage.floats, parts.floats)
            return {
                deai_sum_parts(parts, library.threads, part, 0, filter.count, df)
                deai_sum_parts(parts, library.threads, part, filter.count, filter[3], db)
            }
        }
        hold(index, df)
        if let bias = uses.biasGradient[index] {
            hold(bias, Tensor(.rowMajor(shape(bias)), db.storage))
        }
        return true
    }
}

/// Memory for Winograd's method, a part for each thread; nil where the plain kernels do as well or are needed.
private struct WinogradScratch {
    let storage: Storage
    private let partCount: Int

    init?(_ sizes: deai_lane_convolution, gradient: Bool, threads: Int) {
        guard sizes.kernel_height == 3, sizes.kernel_width == 3, sizes.channels >= 8, sizes.filters >= 8,
            sizes.output_height % 2 == 0, sizes.output_width % 2 == 0,
            !gradient || (sizes.channels % 4 == 0 && sizes.filters % 4 == 0)
        else { return nil }
        partCount = (withUnsafePointer(to: sizes) { deai_winograd_scratch($0, gradient ? 1 : 0) } + 15) / 16 * 16
        storage = Storage(byteCount: partCount * threads * 4)
    }

    func part(_ thread: Int) -> UnsafeMutablePointer<Float> { storage.floats + thread * partCount }
}

extension deai_strides {
    /// Channels are the blocks, images the lanes.
    fileprivate init(_ planes: deai_planes) {
        self.init(image: planes.group, block: planes.plane, row: planes.row, pixel: 16)
    }
}
