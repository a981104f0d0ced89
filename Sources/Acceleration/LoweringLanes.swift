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
        guard usesLanes, convolution.isPlain, convolution.stride == 1, node.inputs.count == 3, node.shape[0] % 16 == 0,
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

    func lowerLaneConvolution(_ index: Int, _ convolution: Convolution) throws(AccelerationError) -> Bool {
        guard let fused = pooledConvolution(index, convolution) else {
            return try lowerOpenLaneConvolution(index, convolution)
        }
        let node = node(index)
        let image = shape(node.inputs[0])
        let filter = shape(node.inputs[1])
        let (x, source) = try lanes(node.inputs[0], border: convolution.padding)
        let f = try tensor(node.inputs[1], as: .rowMajor(filter))
        let b = try tensor(node.inputs[2], as: .rowMajor(shape(node.inputs[2])))
        let border = borderWanted(fused.pool)
        let y = Tensor(.lanes(shape(fused.pool), border: border), lasting: border > 0)
        guard let target = y.layout.lanes else { return false }
        let places = Storage(byteCount: shape(fused.pool).count)
        let keepsPlaces = !fused.scatters.isEmpty
        let sizes = deai_lane_convolution(
            convolution, channels: image[3], filter, node.shape, source.strides, target.strides)
        let winograd = WinogradScratch(sizes, gradient: false, threads: library.threads)
        let touches =
            [x.storage, f.storage, b.storage, y.storage, places] + (winograd.map { [$0.storage] } ?? [])
        let name = winograd == nil ? "lanes conv2d+relu+maxPool2d" : "lanes winograd+relu+maxPool2d"
        addGroups(name, source.groups, touches) {
            let (x, y) = (LaneValue(x.storage, source), LaneValue(y.storage, target))
            let (f, b) = (f.storage.floats, b.storage.floats)
            let places = keepsPlaces ? places.pointer.assumingMemoryBound(to: UInt8.self) : nil
            return { turn in
                let (x, y) = (x.at(turn), y.at(turn))
                withUnsafePointer(to: sizes) {
                    if let winograd {
                        deai_winograd(
                            $0, x, f, b, nil, Int32(DEAI_POOLED), y, places, winograd.part(turn.thread),
                            turn.isFirst ? 1 : 0, turn.first, turn.end)
                    } else {
                        deai_lane_convolution_pooled($0, x, f, b, y, places, turn.first, turn.end)
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
}

extension Lowering {
    /// Whether the kernels with images in lanes know the convolution: square, without holes, of all channels or of each alone.
    func fitsLanes(_ image: Shape, _ filter: Shape, _ convolution: Convolution) -> Bool {
        let isDepthwise = convolution.groups == image[3] && filter[3] == image[3]
        return fitsLanes(image) && filter[0] == filter[1] && convolution.dilation == 1
            && (convolution.groups == 1 || isDepthwise)
    }

    /// A convolution of any stride, with the sum and the ReLU that follow where nobody sees what is between.
    private func lowerOpenLaneConvolution(
        _ index: Int, _ convolution: Convolution
    ) throws(AccelerationError) -> Bool {
        let node = node(index)
        let filter = shape(node.inputs[1])
        guard fitsLanes(shape(node.inputs[0]), filter, convolution) else { return false }
        let (x, source) = try lanes(node.inputs[0], border: convolution.padding)
        let f = try tensor(node.inputs[1], as: .rowMajor(filter))
        var bias: Storage?
        if node.inputs.count == 3 { bias = try tensor(node.inputs[2], as: .rowMajor(shape(node.inputs[2]))).storage }
        let isDepthwise = !convolution.isPlain
        let following = isDepthwise ? Following(rectifier: uses.rectifier[index]) : following(index)
        let result = following.rectifier ?? following.sum ?? index
        let border = borderWanted(result)
        let y = Tensor(.lanes(node.shape, border: border), lasting: border > 0)
        let target = LanePlanes(node.shape, border: border)
        let other = try following.added.map { added throws(AccelerationError) in try lanes(added) }
        let sizes = deai_lane_convolution(
            convolution, channels: source.channels, filter, node.shape, source.strides, target.strides,
            added: other?.planes.strides ?? deai_planes())
        let winograd = isDepthwise ? nil : WinogradScratch(sizes, gradient: false, threads: library.threads)
        let touches =
            [x.storage, f.storage, y.storage] + [bias, winograd?.storage, other?.tensor.storage].compactMap { $0 }
        let kernel = isDepthwise ? "depthwise" : winograd == nil ? "conv2d" : "winograd"
        let name = "lanes \(kernel)" + (other == nil ? "" : "+add") + (following.rectifier == nil ? "" : "+relu")
        let isRectified: Int32 = following.rectifier == nil ? 0 : 1
        addGroups(name, source.groups, touches) {
            let (x, y) = (LaneValue(x.storage, source), LaneValue(y.storage, target))
            let (f, bias) = (f.storage.floats, bias.map { UnsafePointer($0.floats) })
            let added = other.map { LaneValue($0.tensor.storage, $0.planes) }
            return { turn in
                let (x, y, added) = (x.at(turn), y.at(turn), added?.at(turn))
                withUnsafePointer(to: sizes) {
                    if isDepthwise {
                        deai_lane_depthwise($0, x, f, bias, isRectified, y, turn.first, turn.end)
                    } else if let winograd {
                        deai_winograd(
                            $0, x, f, bias, added, Int32(isRectified == 0 ? DEAI_PLAIN : DEAI_RECTIFIED), y, nil,
                            winograd.part(turn.thread), turn.isFirst ? 1 : 0, turn.first, turn.end)
                    } else {
                        deai_lane_convolution_plain(
                            $0, x, f, bias, added, isRectified, y, Int32(source.height), Int32(source.width),
                            turn.first, turn.end)
                    }
                }
            }
        }
        if let sum = following.sum, sum != result { skip(sum) }
        hold(result, y)
        return true
    }

    /// What a convolution in use makes with its result: a sum whose other part is there in lanes, and a ReLU.
    private func following(_ index: Int) -> Following {
        guard uses.rectifier[index] == nil, let sum = onlyUser(index), node(sum).op == .add,
            let added = node(sum).inputs.first(where: { $0 != index }), shape(added) == shape(index), isInLanes(added)
        else { return Following(rectifier: uses.rectifier[index]) }
        let relu = onlyUser(sum).flatMap { node($0).op == .relu ? $0 : nil }
        return Following(added: added, sum: sum, rectifier: relu)
    }
}

/// The nodes that one kernel makes together with a convolution.
private struct Following {
    /// The other part of the sum.
    var added: Int?
    var sum: Int?
    var rectifier: Int?
}

/// Memory for Winograd's method, a part for each thread; nil where the plain kernels do as well or are needed.
struct WinogradScratch {
    let storage: Storage
    private let partCount: Int

    init?(_ sizes: deai_lane_convolution, gradient: Bool, threads: Int) {
        guard sizes.kernel_height == 3, sizes.kernel_width == 3, sizes.stride == 1, sizes.channels >= 8,
            sizes.filters >= 8
        else { return nil }
        let count = withUnsafePointer(to: sizes) {
            gradient ? deai_winograd_gradient_scratch($0) : deai_winograd_scratch($0)
        }
        partCount = (count + 15) / 16 * 16
        storage = Storage(byteCount: partCount * threads * 4)
    }

    func part(_ thread: Int) -> UnsafeMutablePointer<Float> { storage.floats + thread * partCount }
}

extension deai_lane_convolution {
    /// - Parameters:
    ///   - filter: [height, width, channels or 1 when each has its own, filters].
    ///   - result: [n, height, width, filters].
    init(
        _ convolution: Convolution, channels: Int, _ filter: Shape, _ result: Shape, _ x: deai_planes, _ y: deai_planes,
        added: deai_planes = deai_planes()
    ) {
        self.init(
            channels: Int32(channels), filters: Int32(filter[3]), kernel_height: Int32(filter[0]),
            kernel_width: Int32(filter[1]), stride: Int32(convolution.stride), padding: Int32(convolution.padding),
            output_height: Int32(result[1]), output_width: Int32(result[2]), x: x, y: y, added: added)
    }
}

extension deai_strides {
    /// Channels are the blocks, images the lanes.
    init(_ planes: deai_planes) {
        self.init(image: planes.group, block: planes.plane, row: planes.row, pixel: 16)
    }
}
