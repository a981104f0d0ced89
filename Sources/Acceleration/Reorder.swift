import COneDNN

/// A copy of an array into another layout; padding of the target becomes zero.
final class Reorder {
    private let handle: dnnl_primitive_t
    private let arguments: [dnnl_exec_arg_t]
    private let library: Library

    init(
        _ library: Library, _ source: Layout, _ from: UnsafeMutableRawPointer, _ target: Layout,
        _ to: UnsafeMutableRawPointer
    ) throws(AccelerationError) {
        var source = source.descriptor
        var target = target.descriptor
        var description: dnnl_primitive_desc_t?
        try Library.check(
            "dnnl_reorder_primitive_desc_create",
            dnnl_reorder_primitive_desc_create(
                &description, &source, library.engine, &target, library.engine, nil))
        defer { dnnl_primitive_desc_destroy(description) }
        var made: dnnl_primitive_t?
        try Library.check("dnnl_primitive_create", dnnl_primitive_create(&made, description))
        guard let made else { throw .library(call: "dnnl_primitive_create", status: 0) }
        var memories: [dnnl_memory_t?] = [nil, nil]
        try Library.check(
            "dnnl_memory_create", dnnl_memory_create(&memories[0], &source, library.engine, from))
        try Library.check("dnnl_memory_create", dnnl_memory_create(&memories[1], &target, library.engine, to))
        handle = made
        arguments = [
            dnnl_exec_arg_t(arg: DNNL_ARG_FROM, memory: memories[0]),
            dnnl_exec_arg_t(arg: DNNL_ARG_TO, memory: memories[1]),
        ]
        self.library = library
    }

    deinit {
        for argument in arguments { dnnl_memory_destroy(argument.memory) }
        dnnl_primitive_destroy(handle)
    }

    func run() {
        let status = arguments.withUnsafeBufferPointer {
            dnnl_primitive_execute(handle, library.stream, Int32($0.count), $0.baseAddress)
        }
        precondition(status == dnnl_success, "a reorder that was made cannot be run")
    }
}
