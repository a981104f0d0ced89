import Autodiff
import COneDNN

/// A fully connected layer as the library describes it: row-major activations, weights in a layout of its choice.
///
/// With enough rows each thread takes its own part of them with calls that use one thread, and needs to wait for none;
/// but for the gradient of many weights, where adding up the threads' sums would take as long as waiting.
struct FullyConnected {
    private let library: Library
    /// Groups of sixteen rows when every thread takes its own, nil when the library shares the work out.
    let groups: Int?
    /// Rows of one call.
    let rows: Int
    let source: dnnl_memory_desc_t
    let bias: dnnl_memory_desc_t
    let result: dnnl_memory_desc_t
    private let weights: dnnl_memory_desc_t

    /// - Parameters:
    ///   - m: src is [m, k], weights [k, n], dst [m, n].
    ///   - inParts: whether threads may take rows of their own.
    init(_ library: Library, m: Int, k: Int, n: Int, inParts: Bool = true) {
        self.library = library
        let isShared = inParts && m % (16 * library.threads) == 0
        groups = isShared ? m / 16 : nil
        rows = isShared ? m / library.threads : m
        source = Layout.rowMajor([rows, k]).descriptor
        weights = Layout.any([n, k])
        bias = Layout.rowMajor([n]).descriptor
        result = Layout.rowMajor([rows, n]).descriptor
    }

    func forward(bias hasBias: Bool, rectified: Bool) throws(AccelerationError) -> PrimitiveDescription {
        var (source, weights, bias, result) = (source, weights, bias, result)
        var description = dnnl_inner_product_desc_t()
        let status = withUnsafePointer(to: &bias) {
            dnnl_inner_product_forward_desc_init(
                &description, dnnl_forward_training, &source, &weights, hasBias ? $0 : nil, &result)
        }
        try Library.check("dnnl_inner_product_forward_desc_init", status)
        return try describe(description, rectified: rectified)
    }

    func inputGradient() throws(AccelerationError) -> PrimitiveDescription {
        var (source, weights, result) = (source, weights, result)
        var description = dnnl_inner_product_desc_t()
        try Library.check(
            "dnnl_inner_product_backward_data_desc_init",
            dnnl_inner_product_backward_data_desc_init(&description, &source, &weights, &result))
        return try describe(description, hint: try forward(bias: false, rectified: false))
    }

    func weightGradient(bias hasBias: Bool) throws(AccelerationError) -> PrimitiveDescription {
        var (source, weights, bias, result) = (source, weights, bias, result)
        var description = dnnl_inner_product_desc_t()
        let status = withUnsafePointer(to: &bias) {
            dnnl_inner_product_backward_weights_desc_init(
                &description, &source, &weights, hasBias ? $0 : nil, &result)
        }
        try Library.check("dnnl_inner_product_backward_weights_desc_init", status)
        return try describe(description, hint: try forward(bias: hasBias, rectified: false))
    }

    private func describe(
        _ description: dnnl_inner_product_desc_t, rectified: Bool = false, hint: PrimitiveDescription? = nil
    ) throws(AccelerationError) -> PrimitiveDescription {
        if groups != nil { library.useThreads(1) }
        defer { library.useThreads() }
        return try PrimitiveDescription(library, "matmul", description, rectified: rectified, hint: hint)
    }
}

extension Lowering {
    /// One argument of a call: the layout of one part and how far apart the parts of the threads are.
    struct SharedArgument {
        let number: Int32
        let layout: dnnl_memory_desc_t
        let storage: Storage
        /// In bytes; 0 when all threads read the same.
        let distance: Int

        init(_ number: Int32, _ layout: dnnl_memory_desc_t, _ storage: Storage, isShared: Bool = false) {
            self.number = number
            self.layout = layout
            self.storage = storage
            distance = isShared ? 0 : Layout(descriptor: layout).byteCount
        }
    }

    /// Adds a call of the library, or one for each thread when the layer is cut into parts.
    func add(
        _ name: String, _ layer: FullyConnected, _ description: PrimitiveDescription,
        _ arguments: [SharedArgument]
    ) {
        guard let groups = layer.groups else {
            add(name, description, arguments.map { ($0.number, $0.layout, $0.storage) })
            return
        }
        var arguments = arguments
        let library = library
        if description.scratchBytes > 0 {
            let layout = description.descriptor(dnnl_query_scratchpad_md)
            arguments.append(
                SharedArgument(
                    DNNL_ARG_SCRATCHPAD, layout,
                    Storage(byteCount: description.scratchBytes * library.threads)))
        }
        let touches = arguments.map { $0.storage }
        add("\(name) \(description.implementation)", groups: groups, touches) {
            () throws(AccelerationError) in
            library.useThreads(1)
            defer { library.useThreads() }
            var primitives: [Primitive] = []
            for thread in 0..<library.threads {
                primitives.append(
                    try Primitive(
                        library, description,
                        arguments.map { ($0.number, $0.layout, $0.storage.pointer + thread * $0.distance) }))
            }
            let all = primitives
            return { thread in all[thread].run() }
        }
    }
}
