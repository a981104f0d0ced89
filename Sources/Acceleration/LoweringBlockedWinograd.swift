import Autodiff
import CAcceleration

extension Lowering {
    /// A convolution of images in the library's blocks of sixteen channels by Winograd's method, which takes half the time
    /// of the library's where few images are answered.
    ///
    /// The filter is made ready when it is written, and row-major, which no gradient in the library's layouts would want:
    /// only for networks in use.
    func lowerBlockedWinograd(
        _ index: Int, _ convolution: Convolution, _ x: Tensor, _ result: Layout
    ) throws(AccelerationError) -> Bool {
        let node = node(index)
        let filter = shape(node.inputs[1])
        let (height, width) = (node.shape[1], node.shape[2])
        let rectifier = uses.rectifier[index]
        let pool = rectifier.flatMap { onlyPool(of: $0) }
        let layout = try pool.map { pool throws(AccelerationError) in try pooledLayout(pool, source: result) } ?? result
        guard usesLanes, filter[0] == 3, filter[1] == 3, convolution.stride == 1, filter[2] % 16 == 0,
            filter[3] % 16 == 0, min(height, width) >= 7, isOnlyConvolved(node.inputs[1]),
            let source = x.layout.sixteens, source.pixel == 16, let target = layout.sixteens
        else { return false }
        let f = try tensor(node.inputs[1], as: .rowMajor(filter))
        let bias = node.inputs.count == 3 ? try tensor(node.inputs[2], as: .rowMajor(shape(node.inputs[2]))) : nil
        let y = Tensor(layout)
        let after = Int32(pool != nil ? DEAI_POOLED : rectifier != nil ? DEAI_RECTIFIED : DEAI_PLAIN)
        let sizes = deai_lane_convolution(convolution, channels: filter[2], filter, node.shape, source.planes, target.planes)
        let part = (withUnsafePointer(to: sizes) { deai_winograd_blocked_scratch($0) } + 15) / 16 * 16
        let scratch = Storage(byteCount: part * library.threads * 4)
        let (images, blocks, tiles) = (Int32(node.shape[0]), filter[3] / 16, (height + 3) / 4 * ((width + 3) / 4))
        // Threads share out the filters where they can, so that each reads its own only, or else the tiles.
        let shares = blocks % library.threads == 0 ? library.threads : 1
        let share = filter[3] / shares
        let floats = withUnsafePointer(to: sizes) { deai_winograd_blocked_filter_count($0, Int32(share)) }
        let count = (floats + 15) / 16 * 16
        let points = Storage(byteCount: count * shares * 4, lasting: true)
        prepare {
            let (f, points) = (f.storage.floats, points.floats)
            return {
                withUnsafePointer(to: sizes) {
                    for part in 0..<shares {
                        let (first, end) = (Int32(part * share), Int32((part + 1) * share))
                        deai_winograd_blocked_filters($0, f, first, end, points + part * count)
                    }
                }
            }
        }
        let library = library
        let touches = [x.storage, f.storage, y.storage, scratch, points] + [bias?.storage].compactMap { $0 }
        let name = "winograd conv2d" + (rectifier == nil ? "" : "+relu") + (pool == nil ? "" : "+maxPool2d")
        add(name, touches) {
            let (x, bias, y) = (x.storage.floats, bias?.storage.floats, y.storage.floats)
            let (scratch, points) = (scratch.floats, points.floats)
            return {
                library.parallel { thread in
                    let mine = shares == 1 ? 0 : thread
                    let places = shares == 1 ? library.share(of: tiles, thread: thread) : 0..<tiles
                    withUnsafePointer(to: sizes) {
                        deai_winograd_blocked(
                            $0, images, x, points + mine * count, bias, after, y, target.pixel, scratch + thread * part,
                            Int32(mine * share), Int32((mine + 1) * share), Int32(places.lowerBound),
                            Int32(places.upperBound))
                    }
                }
            }
        }
        if let rectifier, pool != nil { skip(rectifier) }
        hold(pool ?? rectifier ?? index, y)
        return true
    }

    /// The 2x2 pooling that alone looks at a value of even size.
    private func onlyPool(of index: Int) -> Int? {
        guard let user = onlyUser(index), node(user).op == .maxPool2d(Pooling(window: 2, stride: 2)),
            shape(index)[1] % 2 == 0, shape(index)[2] % 2 == 0
        else { return nil }
        return user
    }

    /// Whether a filter has no gradient.
    private func isOnlyConvolved(_ filter: Int) -> Bool {
        uses.users[filter].allSatisfy {
            if case .conv2d = node($0).op { true } else { false }
        }
    }
}

extension Layout {
    /// Where sixteen neighbouring channels of images stand, and how far it is from pixel to pixel; nil where they are no
    /// neighbours.
    fileprivate var sixteens: (planes: deai_planes, pixel: Int)? {
        guard let blocks = channelBlocks, blocks.lanes == 16, blocks.last == 16 else { return nil }
        let plane = innerBlocks.isEmpty ? 16 : stride(3)
        return (deai_planes(group: stride(0), plane: plane, row: stride(1)), stride(2))
    }
}
