import COneDNN

/// What the library can do with given sizes: the layouts it wants and the code it would run.
final class PrimitiveDescription {
    let handle: dnnl_primitive_desc_t
    let implementation: String

    /// - Parameters:
    ///   - description: one of the library's operation descriptors, which it copies.
    ///   - rectified: applies ReLU to the result.
    ///   - hint: the forward operation that a backward operation belongs to.
    init<Description>(
        _ library: Library, _ name: String, _ description: Description, rectified: Bool = false,
        hint: PrimitiveDescription? = nil
    ) throws(AccelerationError) {
        var attributes: dnnl_primitive_attr_t?
        try Library.check("dnnl_primitive_attr_create", dnnl_primitive_attr_create(&attributes))
        defer { dnnl_primitive_attr_destroy(attributes) }
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user)
        if rectified {
            var operations: dnnl_post_ops_t?
            try Library.check("dnnl_post_ops_create", dnnl_post_ops_create(&operations))
            defer { dnnl_post_ops_destroy(operations) }
            dnnl_post_ops_append_eltwise(operations, 1, dnnl_eltwise_relu, 0, 0)
            dnnl_primitive_attr_set_post_ops(attributes, operations)
        }
        var made: dnnl_primitive_desc_t?
        let status = withUnsafeBytes(of: description) {
            dnnl_primitive_desc_create(&made, $0.baseAddress, attributes, library.engine, hint?.handle)
        }
        try Library.check(name, status)
        guard let made else { throw .library(call: name, status: 0) }
        var text: UnsafePointer<CChar>?
        withUnsafeMutablePointer(to: &text) {
            _ = dnnl_primitive_desc_query(made, dnnl_query_impl_info_str, 0, $0)
        }
        handle = made
        implementation = text.map { String(cString: $0) } ?? "unknown"
    }

    deinit { dnnl_primitive_desc_destroy(handle) }

    /// Whether this is the library's plain loop, hundreds of times slower than the rest.
    var isReference: Bool { implementation.contains("ref") }

    func descriptor(_ what: dnnl_query_t, _ index: Int32 = 0) -> dnnl_memory_desc_t {
        guard let found = dnnl_primitive_desc_query_md(handle, what, index) else {
            preconditionFailure("the operation has no such argument")
        }
        return found.pointee
    }

    var scratchBytes: Int {
        var scratch = descriptor(dnnl_query_scratchpad_md)
        return dnnl_memory_desc_get_size(&scratch)
    }
}

/// One call of the library, with its arguments bound once.
final class Primitive {
    private let handle: dnnl_primitive_t
    private let stream: dnnl_stream_t
    private let library: Library
    private let arguments: UnsafeMutableBufferPointer<dnnl_exec_arg_t>

    /// - Parameter arguments: the library's number of each argument, its layout in the library's axes, its memory.
    init(
        _ library: Library, _ description: PrimitiveDescription,
        _ arguments: [(number: Int32, layout: dnnl_memory_desc_t, address: UnsafeMutableRawPointer)]
    ) throws(AccelerationError) {
        var made: dnnl_primitive_t?
        try Library.check("dnnl_primitive_create", dnnl_primitive_create(&made, description.handle))
        guard let made else { throw .library(call: "dnnl_primitive_create", status: 0) }
        handle = made
        self.library = library
        stream = library.stream
        self.arguments = .allocate(capacity: arguments.count)
        for (index, argument) in arguments.enumerated() {
            var layout = argument.layout
            var memory: dnnl_memory_t?
            let status = dnnl_memory_create(&memory, &layout, library.engine, argument.address)
            self.arguments.initializeElement(
                at: index, to: dnnl_exec_arg_t(arg: argument.number, memory: memory))
            precondition(status == dnnl_success, "a layout that the library itself asked for")
        }
    }

    deinit {
        for argument in arguments { dnnl_memory_destroy(argument.memory) }
        arguments.deallocate()
        dnnl_primitive_destroy(handle)
    }

    func run() {
        let status = dnnl_primitive_execute(handle, stream, Int32(arguments.count), arguments.baseAddress)
        precondition(status == dnnl_success, "a primitive that was made cannot be run")
    }
}
