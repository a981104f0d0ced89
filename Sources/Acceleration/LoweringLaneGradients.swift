import Autodiff
import CAcceleration

extension Lowering {
    /// The gradient of the pooling and the ReLU, with the border that the data gradient needs.
    func lowerLaneScatter(_ index: Int, _ pool: LoweredPool) throws(AccelerationError) -> Bool {
        guard let rectifier = uses.scatterRectifier[index] else {
            preconditionFailure("checked before fusing")
        }
        let node = node(index)
        var border = 0
        for user in uses.users[rectifier] {
            if case .conv2dInputGradient(let convolution) = self.node(user).op {
                border = shape(self.node(user).inputs[1])[0] - 1 - convolution.padding
            }
        }
        let present = try tensor(node.inputs[0])
        let dy = present.layout.lanes == nil ? try tensor(node.inputs[0], as: pool.result) : present
        if isOnlyForFilter(rectifier) {
            pooledGradients[rectifier] = PooledGradient(dy: dy, pool: pool)
            skip(rectifier)
            return true
        }
        let dx = Tensor(.lanes(node.shape, border: border), lasting: border > 0)
        guard let source = dy.layout.lanes, let target = dx.layout.lanes else { return false }
        var sizes = pool.sizes
        sizes.x = deai_strides(target.strides)
        sizes.y = deai_strides(source.strides)
        let places = pool.places
        addGroups("lanes maxPool2dScatter", target.groups, [dy.storage, dx.storage, places]) {
            let (dy, dx) = (LaneValue(dy.storage, source), LaneValue(dx.storage, target))
            let places = places.pointer.assumingMemoryBound(to: UInt8.self)
            let sizes = sizes
            return { turn in
                let (dy, dx) = (dy.at(turn), dx.at(turn))
                withUnsafePointer(to: sizes) {
                    deai_pool_backward($0, dy, places, dx, turn.first, turn.end)
                }
            }
        }
        hold(rectifier, dx)
        return true
    }

    /// Whether a gradient serves one filter gradient (and its bias) alone, as in a first layer.
    private func isOnlyForFilter(_ index: Int) -> Bool {
        let users = uses.users[index].filter { uses.fusedInto[$0] == nil }
        guard !uses.isOutput[index], users.count == 1, case .conv2dFilterGradient = node(users[0]).op else {
            return false
        }
        return node(users[0]).inputs[1] == index
            && uses.users[index].allSatisfy { $0 == users[0] || uses.fusedInto[$0] == users[0] }
    }

    func lowerLaneInputGradient(_ index: Int, _ convolution: Convolution) throws(AccelerationError) -> Bool {
        let node = node(index)
        let filter = shape(node.inputs[1])
        guard fitsLanes(node.shape, filter, convolution) else { return false }
        let (dy, source) = try lanes(node.inputs[0], border: gradientBorder(index, convolution))
        let f = try tensor(node.inputs[1], as: .rowMajor(filter))
        // Each thread turns the filter for itself, so that none waits.
        let turnedCount = (filter.count + 15) / 16 * 16
        let turned = Storage(byteCount: turnedCount * library.threads * 4)
        let border = borderWanted(index)
        let dx = Tensor(.lanes(node.shape, border: border), lasting: border > 0)
        let target = LanePlanes(node.shape, border: border)
        let isDepthwise = !convolution.isPlain
        // Strided and depthwise ones are described in their forward direction, a plain one is the convolution that its
        // gradient is.
        let isForward = isDepthwise || convolution.stride > 1
        let padding = filter[0] - 1 - convolution.padding
        let result = isForward ? source : target
        let sizes = deai_lane_convolution(
            channels: Int32(isForward ? target.channels : source.channels),
            filters: Int32(isForward ? source.channels : target.channels), kernel_height: Int32(filter[0]),
            kernel_width: Int32(filter[1]), stride: Int32(convolution.stride),
            padding: Int32(isForward ? convolution.padding : padding), output_height: Int32(result.height),
            output_width: Int32(result.width), x: isForward ? target.strides : source.strides,
            y: isForward ? source.strides : target.strides, added: deai_planes())
        let winograd = isDepthwise ? nil : WinogradScratch(sizes, gradient: false, threads: library.threads)
        let touches = [dy.storage, f.storage, turned, dx.storage] + (winograd.map { [$0.storage] } ?? [])
        let kernel = isDepthwise ? "depthwise " : winograd == nil ? "" : "winograd "
        let name = "lanes \(kernel)conv2dInputGradient"
        addGroups(name, source.groups, touches) {
            let (dy, dx) = (LaneValue(dy.storage, source), LaneValue(dx.storage, target))
            let (f, turned) = (f.storage.floats, turned.floats)
            return { turn in
                let (dy, dx) = (dy.at(turn), dx.at(turn))
                let mine = turned + turn.thread * turnedCount
                if turn.isFirst && !isDepthwise {
                    deai_turn_filter(
                        f, Int32(filter[0]), Int32(filter[1]), Int32(filter[2]), Int32(filter[3]), mine)
                }
                withUnsafePointer(to: sizes) {
                    if isDepthwise {
                        deai_lane_depthwise_input_gradient(
                            $0, dy, f, dx, Int32(target.height), Int32(target.width), turn.first, turn.end)
                    } else if let winograd {
                        deai_winograd(
                            $0, dy, mine, nil, nil, Int32(DEAI_PLAIN), dx, nil, winograd.part(turn.thread),
                            turn.isFirst ? 1 : 0, turn.first, turn.end)
                    } else if isForward {
                        deai_lane_strided_input_gradient(
                            $0, dy, mine, dx, Int32(target.height), Int32(target.width), turn.first, turn.end)
                    } else {
                        deai_lane_convolution_plain(
                            $0, dy, mine, nil, nil, 0, dx, Int32(source.height), Int32(source.width), turn.first,
                            turn.end)
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
        let pooled = pooledGradients[node.inputs[1]]
        let filter = node.shape
        guard fitsLanes(shape(node.inputs[0]), filter, convolution) else { return false }
        let (x, source) = try lanes(node.inputs[0], border: convolution.padding)
        let dy: Tensor
        let slopes: LanePlanes
        if let pooled {
            (dy, slopes) = (pooled.dy, LanePlanes(shape(node.inputs[1]), border: 0))
        } else {
            (dy, slopes) = try lanes(node.inputs[1])
        }
        let part = (filter.count + filter[3] + 15) / 16 * 16
        // A thread without images leaves its part as it is from the start: zero.
        let parts = Storage(byteCount: part * library.threads * 4, lasting: source.groups < library.threads)
        let df = Tensor(.rowMajor(filter))
        let db = Tensor(.rowMajor([filter[3]]))
        let sizes = deai_lane_convolution(
            convolution, channels: source.channels, filter, shape(node.inputs[1]), source.strides, slopes.strides)
        let library = library
        if let pooled {
            addPooledFilterGradient(sizes, x, pooled, parts, part: part, count: filter.count)
        } else {
            addFilterGradient(
                sizes, (x, source), (dy, slopes), parts, part: part, count: filter.count,
                bias: uses.biasGradient[index] != nil, isDepthwise: !convolution.isPlain)
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

extension Lowering {
    /// Each thread writes its sums for the filter (`count` numbers) and the bias to a part of its own.
    private func addFilterGradient(
        _ sizes: deai_lane_convolution, _ image: (Tensor, LanePlanes), _ gradient: (Tensor, LanePlanes),
        _ parts: Storage, part: Int, count: Int, bias: Bool, isDepthwise: Bool
    ) {
        let ((x, source), (dy, slopes)) = (image, gradient)
        let library = library
        let winograd = isDepthwise ? nil : WinogradScratch(sizes, gradient: true, threads: library.threads)
        // Turning the slopes pays where each is used by several taps, or where adding up lanes takes as long.
        let isTurned =
            !isDepthwise && winograd == nil && (sizes.kernel_height > 1 || sizes.output_height * sizes.output_width < 128)
        let turnedCount = isTurned ? withUnsafePointer(to: sizes) { deai_lane_turned_scratch($0) } : 0
        let turned = turnedCount > 0 ? Storage(byteCount: turnedCount * library.threads * 4) : nil
        let touches = [x.storage, dy.storage, parts] + [winograd?.storage, turned].compactMap { $0 }
        let kernel = isDepthwise ? "depthwise " : winograd == nil ? "" : "winograd "
        let name = "lanes \(kernel)conv2dFilterGradient"
        addGroups(name, source.groups, touches) {
            let (x, dy) = (LaneValue(x.storage, source), LaneValue(dy.storage, slopes))
            let (parts, scratch) = (parts.floats, turned?.floats)
            return { turn in
                let mine = parts + turn.thread * part
                let (x, dy) = (x.at(turn), dy.at(turn))
                let behind = bias ? mine + count : nil
                let adding: Int32 = turn.isFirst ? 0 : 1
                withUnsafePointer(to: sizes) {
                    if isDepthwise {
                        deai_lane_depthwise_filter_gradient($0, x, dy, mine, behind, adding, turn.first, turn.end)
                    } else if let winograd {
                        deai_winograd_gradient(
                            $0, x, dy, mine, behind, winograd.part(turn.thread), adding, turn.isLast ? 1 : 0,
                            turn.first, turn.end)
                    } else if let scratch {
                        deai_lane_turned_filter_gradient(
                            $0, x, dy, mine, behind, scratch + turn.thread * turnedCount, adding, turn.first, turn.end)
                    } else {
                        deai_lane_filter_gradient($0, x, dy, mine, behind, adding, turn.first, turn.end)
                    }
                }
            }
        }
    }

    /// The same straight from the gradient of the pooled result, one group of images at a time.
    private func addPooledFilterGradient(
        _ sizes: deai_lane_convolution, _ x: Tensor, _ pooled: PooledGradient, _ parts: Storage, part: Int,
        count: Int
    ) {
        guard let source = x.layout.lanes, let target = pooled.dy.layout.lanes else { return }
        let library = library
        let scratchCount = Int(sizes.y.group)
        let scratch = Storage(byteCount: scratchCount * library.threads * 4)
        let places = pooled.pool.places
        var pool = pooled.pool.sizes
        pool.x = deai_strides(sizes.y)
        pool.x.image = 0
        pool.y = deai_strides(target.strides)
        let touches = [x.storage, pooled.dy.storage, places, parts, scratch]
        addGroups("lanes maxPool2dScatter+conv2dFilterGradient", source.groups, touches) {
            let (x, dy) = (LaneValue(x.storage, source), LaneValue(pooled.dy.storage, target))
            let (parts, scratch) = (parts.floats, scratch.floats)
            let places = places.pointer.assumingMemoryBound(to: UInt8.self)
            let pool = pool
            return { turn in
                let (x, dy) = (x.at(turn), dy.at(turn))
                let mine = parts + turn.thread * part
                withUnsafePointer(to: sizes) { sizes in
                    withUnsafePointer(to: pool) {
                        deai_lane_pooled_filter_gradient(
                            sizes, $0, x, dy, places, mine, mine + count, scratch + turn.thread * scratchCount,
                            turn.isFirst ? 0 : 1, turn.first, turn.end)
                    }
                }
            }
        }
    }
}
