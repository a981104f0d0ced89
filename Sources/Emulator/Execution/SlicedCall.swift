import CWasmtime

/// A call in progress, polled from one slice to the next; deleting it unwinds the call.
final class SlicedCall {
    private let function: UnsafeMutablePointer<wasmtime_func_t>
    private let argument: UnsafeMutablePointer<wasmtime_val_t>
    private let slots: UnsafeMutablePointer<OpaquePointer?>
    private let future: OpaquePointer?

    init(_ context: OpaquePointer?, _ target: wasmtime_func_t, _ environment: Int64?, wide: Bool) {
        function = .allocate(capacity: 1)
        function.initialize(to: target)
        argument = .allocate(capacity: 1)
        var value = wasmtime_val_t()
        value.kind = UInt8(wide ? CWASMTIME_I64 : CWASMTIME_I32)
        if wide { value.of.i64 = environment ?? 0 } else { value.of.i32 = Int32(truncatingIfNeeded: environment ?? 0) }
        argument.initialize(to: value)
        slots = .allocate(capacity: 2)
        slots.initialize(repeating: nil, count: 2)
        future = wasmtime_func_call_async(
            context, function, argument, environment == nil ? 0 : 1, nil, 0, slots, slots + 1)
    }

    deinit {
        wasmtime_call_future_delete(future)
        function.deallocate()
        argument.deallocate()
        slots.deallocate()
    }

    /// Runs to the end of the slice or of the call; true at the end.
    func poll() -> Bool { wasmtime_call_future_poll(future) }

    var trap: OpaquePointer? { slots[0] }
    var error: OpaquePointer? { slots[1] }
}
