import Autodiff
import COneDNN

/// Where the numbers of a value stand in memory: a descriptor of the library, its axes in the order of the graph.
struct Layout: Equatable {
    var descriptor: dnnl_memory_desc_t
    /// Set for images in lanes, a layout of our own; the descriptor then says only the extents.
    var lanes: LanePlanes?

    /// The order of the axes of images in the library (n, c, h, w), and of filters (o, i, h, w), for each graph axis.
    static let imageAxes: [Int32] = [0, 2, 3, 1]
    static let filterAxes: [Int32] = [2, 3, 1, 0]
    static let denseAxes: [Int32] = [1, 0]

    /// Row-major, as the graph defines it.
    static func rowMajor(_ shape: Shape) -> Layout {
        let dimensions = shape.rank == 0 ? [1] : shape.dimensions
        var strides = dimensions
        var stride = 1
        for axis in dimensions.indices.reversed() {
            strides[axis] = stride
            stride *= dimensions[axis]
        }
        return Layout(
            descriptor: Library.descriptor { descriptor in
                dnnl_memory_desc_init_by_strides(
                    &descriptor, Int32(dimensions.count), dimensions.map(Int64.init), dnnl_f32,
                    strides.map(Int64.init))
            })
    }

    /// A descriptor that leaves the layout to the library.
    static func any(_ dimensions: [Int]) -> dnnl_memory_desc_t {
        Library.descriptor { descriptor in
            dnnl_memory_desc_init_by_tag(
                &descriptor, Int32(dimensions.count), dimensions.map(Int64.init), dnnl_f32,
                dnnl_format_tag_any)
        }
    }

    /// From the library's order of axes, with channels that were only padding cut off.
    init(_ descriptor: dnnl_memory_desc_t, axes: [Int32], shape: Shape) {
        var inverse = axes
        for (graph, library) in axes.enumerated() { inverse[Int(library)] = Int32(graph) }
        self.init(descriptor: Layout.permuted(descriptor, inverse))
        for axis in 0..<shape.rank { setDimension(axis, shape[axis]) }
    }

    init(descriptor: dnnl_memory_desc_t) { self.descriptor = descriptor }

    /// In the library's order of axes; padding counts as channels when `padded`.
    func view(_ axes: [Int32], padded: Bool = true) -> dnnl_memory_desc_t {
        var whole = self
        if padded {
            for axis in 0..<rank { whole.setDimension(axis, extent(axis, padded: true)) }
        }
        return Layout.permuted(whole.descriptor, axes)
    }

    private static func permuted(_ descriptor: dnnl_memory_desc_t, _ axes: [Int32]) -> dnnl_memory_desc_t {
        var source = descriptor
        return Library.descriptor { dnnl_memory_desc_permute_axes(&$0, &source, axes) }
    }

    var rank: Int { Int(descriptor.ndims) }

    var byteCount: Int {
        if let lanes { return lanes.floatCount * 4 }
        var copy = descriptor
        return dnnl_memory_desc_get_size(&copy)
    }

    func extent(_ axis: Int, padded: Bool = false) -> Int {
        Int(padded ? element(descriptor.padded_dims, axis) : element(descriptor.dims, axis))
    }

    private mutating func setDimension(_ axis: Int, _ extent: Int) {
        withUnsafeMutableBytes(of: &descriptor.dims) {
            $0.bindMemory(to: Int64.self)[axis] = Int64(extent)
        }
    }

    func stride(_ axis: Int) -> Int { Int(element(descriptor.format_desc.blocking.strides, axis)) }

    /// The innermost block: its axis and length; nil when no axis is cut into blocks.
    var innerBlocks: [(axis: Int, length: Int)] {
        let blocking = descriptor.format_desc.blocking
        return (0..<Int(blocking.inner_nblks)).map {
            (Int(element(blocking.inner_idxs, $0)), Int(element(blocking.inner_blks, $0)))
        }
    }

    /// Whether any padding stands between the numbers.
    var isPadded: Bool { (0..<rank).contains { extent($0) != extent($0, padded: true) } }

    /// Same numbers at the same places; strides of axes with one element do not matter.
    static func == (a: Layout, b: Layout) -> Bool {
        guard a.lanes == b.lanes, a.rank == b.rank, a.innerBlocks.count == b.innerBlocks.count else {
            return false
        }
        for (x, y) in zip(a.innerBlocks, b.innerBlocks) where x.axis != y.axis || x.length != y.length {
            return false
        }
        for axis in 0..<a.rank {
            let extent = a.extent(axis, padded: true)
            guard a.extent(axis) == b.extent(axis), extent == b.extent(axis, padded: true) else {
                return false
            }
            let blocks = a.innerBlocks.reduce(1) { $1.axis == axis ? $0 * $1.length : $0 }
            if extent / blocks > 1 && a.stride(axis) != b.stride(axis) { return false }
        }
        return true
    }
}

/// One element of a C array, which Swift sees as a tuple.
private func element<Tuple>(_ array: Tuple, _ index: Int) -> Int64 {
    withUnsafeBytes(of: array) { $0.bindMemory(to: Int64.self)[index] }
}
