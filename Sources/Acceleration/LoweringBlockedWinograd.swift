import Autodiff
import CAcceleration

extension Lowering {
    /// A convolution of images in the library's blocks of sixteen channels by Winograd's method, which takes half the time
    /// of the library's where few images are answered.
    ///
    /// The filter is row-major, which no gradient in the library's layouts would want: only for networks in use.
    func lowerBlockedWinograd(
        _ index: Int, _ convolution: Convolution, _ x: Tensor, _ y: Tensor
    ) throws(AccelerationError) -> Bool {
        let node = node(index)
        let filter = shape(node.inputs[1])
        let (height, width) = (node.shape[1], node.shape[2])
        guard usesLanes, filter[0] == 3, filter[1] == 3, convolution.stride == 1, filter[2] % 16 == 0,
            filter[3] % 16 == 0, min(height, width) >= 7, isOnlyConvolved(node.inputs[1]),
            let source = x.layout.blockedPlanes, let target = y.layout.blockedPlanes
        else { return false }
        let f = try tensor(node.inputs[1], as: .rowMajor(filter))
        let bias = node.inputs.count == 3 ? try tensor(node.inputs[2], as: .rowMajor(shape(node.inputs[2]))) : nil
        let isRectified = uses.rectifier[index] != nil
        let sizes = deai_lane_convolution(
            channels: Int32(filter[2]), filters: Int32(filter[3]), kernel_height: 3, kernel_width: 3, stride: 1,
            padding: Int32(convolution.padding), output_height: Int32(height), output_width: Int32(width), x: source,
            y: target)
        let part = (withUnsafePointer(to: sizes) { deai_winograd_blocked_scratch($0) } + 15) / 16 * 16
        let scratch = Storage(byteCount: part * library.threads * 4)
        let (images, blocks, tiles) = (Int32(node.shape[0]), filter[3] / 16, (height + 3) / 4 * ((width + 3) / 4))
        // Each thread makes its filters ready, so these are shared out rather than the tiles.
        let byFilters = blocks % library.threads == 0
        let library = library
        let touches = [x.storage, f.storage, y.storage, scratch] + [bias?.storage].compactMap { $0 }
        add("winograd conv2d" + (isRectified ? "+relu" : ""), touches) {
            let (x, f, bias, y) = (x.storage.floats, f.storage.floats, bias?.storage.floats, y.storage.floats)
            let scratch = scratch.floats
            return {
                library.parallel { thread in
                    let filters = byFilters ? library.share(of: blocks, thread: thread) : 0..<blocks
                    let places = byFilters ? 0..<tiles : library.share(of: tiles, thread: thread)
                    withUnsafePointer(to: sizes) {
                        deai_winograd_blocked(
                            $0, images, x, f, bias, isRectified ? 1 : 0, y, scratch + thread * part,
                            Int32(filters.lowerBound * 16), Int32(filters.upperBound * 16), Int32(places.lowerBound),
                            Int32(places.upperBound))
                    }
                }
            }
        }
        return true
    }

    /// Whether a filter has no gradient.
    private func isOnlyConvolved(_ filter: Int) -> Bool {
        uses.users[filter].allSatisfy {
            if case .conv2d = node($0).op { true } else { false }
        }
    }
}

extension Layout {
    /// Where blocks of sixteen channels of images stand; nil in any other layout.
    fileprivate var blockedPlanes: deai_planes? {
        guard rank == 4, lanes == nil, innerBlocks.count == 1, innerBlocks[0] == (3, 16), stride(2) == 16 else {
            return nil
        }
        return deai_planes(group: stride(0), plane: stride(3), row: stride(1))
    }
}
