import CWasmtime
import Foundation
import IC0

/// One instance of a module and the message (or install step) that runs on it; touched by one thread at a time.
final class Execution {
    let module: CompiledModule
    let heap: PrivateMapping?
    private(set) var stable: StableMemory
    var canister: CanisterEnvironment
    var message: MessageEnvironment

    // What the message has done so far.
    var failure: ExecutionFailure?
    var replyData: [UInt8] = []
    var response: ExecutionOutcome.Response?
    var pendingCall: OutgoingCall?
    var calls: [OutgoingCall] = []
    var accepted: UInt128 = 0
    var burned: UInt128 = 0
    var balance: UInt128
    var certifiedData: [UInt8]?
    var timer: UInt64?
    var acceptedMessage = false
    var log: CanisterLog

    // Instructions.
    private var usedBefore: UInt64 = 0
    private var sliceStart: Int64 = 0
    private(set) var slices = 1

    private var store: OpaquePointer?
    private(set) var context: OpaquePointer?
    private var instance = wasmtime_instance_t()
    private var counter = wasmtime_global_t()
    /// Handles of the persisted globals, in order.
    private var globalHandles: [wasmtime_global_t] = []
    /// Exported functions that were called before.
    private var functions: [String: wasmtime_func_t] = [:]

    var isWide: Bool { module.prepared.instrumented.isWide }

    init(
        module: CompiledModule, heap: PrivateMapping?, stable: StableMemory, canister: CanisterEnvironment,
        message: MessageEnvironment
    ) {
        self.module = module
        self.heap = heap
        self.stable = stable
        self.canister = canister
        self.message = message
        balance = canister.balance
        log = canister.log
    }

    deinit { if let store { wasmtime_store_delete(store) } }

    // MARK: Running

    /// Makes the instance and gives the persisted globals their values (nil for a fresh module).
    func instantiate(globals: [GlobalValue]?) throws(ExecutionFailure) {
        openStore()
        var trap: OpaquePointer?
        let error = HostMemory.providing(heap) {
            wasmtime_instance_pre_instantiate(module.instancePre, context, &instance, &trap)
        }
        if let error { throw .engine(WasmtimeLibrary.consume(error)) }
        if let trap { throw ExecutionFailure(consuming: trap) }
        try beginMessage(globals)
    }

    private func openStore() {
        store = wasmtime_store_new(module.engine.handle, Unmanaged.passUnretained(self).toOpaque(), nil)
        context = wasmtime_store_context(store)
    }

    private func beginMessage(_ globals: [GlobalValue]?) throws(ExecutionFailure) {
        guard let counter = export(Instrumentation.counterName, CWASMTIME_EXTERN_GLOBAL) else {
            throw .engine("no instruction counter")
        }
        self.counter = counter.of.global
        for global in module.prepared.instrumented.mutableGlobals {
            guard let item = export(Instrumentation.globalName(global.index), CWASMTIME_EXTERN_GLOBAL) else {
                throw .engine("global \(global.index) is missing")
            }
            globalHandles.append(item.of.global)
        }
        startCounting()
        if let globals { try setGlobals(globals) }
    }

    private func startCounting() {
        usedBefore = 0
        slices = 1
        sliceStart = Int64(clamping: min(message.sliceLimit, message.instructionLimit))
        counterValue = sliceStart
    }

    private func setGlobals(_ values: [GlobalValue]) throws(ExecutionFailure) {
        for (index, value) in values.enumerated() where index < globalHandles.count {
            try setGlobal(&globalHandles[index], value)
        }
    }

    /// Makes the instance ready for another query: as if new, on memories that hold the committed content.
    func reuse(stable: StableMemory, message: MessageEnvironment, globals: [GlobalValue]) throws(ExecutionFailure) {
        self.stable = stable
        self.message = message
        failure = nil
        if !replyData.isEmpty { replyData = [] }
        response = nil
        pendingCall = nil
        if !calls.isEmpty { calls = [] }
        (accepted, burned, balance) = (0, 0, canister.balance)
        certifiedData = nil
        timer = nil
        acceptedMessage = false
        log = canister.log
        startCounting()
        try setGlobals(globals)
    }

    /// Runs an entry point to its end; a failure is also kept, and nothing may run after it.
    func run(_ entry: EntryPoint) throws(ExecutionFailure) {
        var (function, environment) = try target(entry)
        var argument = wasmtime_val_raw_t()
        if isWide { argument.i64 = environment ?? 0 } else { argument.i32 = Int32(truncatingIfNeeded: environment ?? 0) }
        var trap: OpaquePointer?
        let error = wasmtime_func_call_unchecked(context, &function, &argument, environment == nil ? 0 : 1, &trap)
        try end(error, trap)
    }

    private func end(_ error: OpaquePointer?, _ trap: OpaquePointer?) throws(ExecutionFailure) {
        if error == nil, trap == nil { return }
        if let error {
            let text = WasmtimeLibrary.consume(error)
            if failure == nil { failure = .engine(text) }
        }
        if let trap {
            let reason = ExecutionFailure(consuming: trap)
            if failure == nil { failure = reason }
        }
        throw failure!
    }

    /// The function of an entry point and the environment it takes, if any.
    private func target(_ entry: EntryPoint) throws(ExecutionFailure) -> (wasmtime_func_t, environment: Int64?) {
        switch entry {
        case .export(let name):
            if let known = functions[name] { return (known, nil) }
            guard let found = export(name, CWASMTIME_EXTERN_FUNC) else {
                throw .contractViolation("no exported function \(name)")
            }
            functions[name] = found.of.func
            return (found.of.func, nil)
        case .callback(let index, let environment):
            return (try tableFunction(index), Int64(bitPattern: environment))
        }
    }

    // MARK: Running in slices

    /// Makes an instance whose calls pause at the end of each slice.
    func instantiateSliced(globals: [GlobalValue]?) throws(ExecutionFailure) {
        openStore()
        // The slots must not move while the future lives.
        let slots = UnsafeMutablePointer<OpaquePointer?>.allocate(capacity: 2)
        let place = UnsafeMutablePointer<wasmtime_instance_t>.allocate(capacity: 1)
        slots.initialize(repeating: nil, count: 2)
        place.initialize(to: wasmtime_instance_t())
        defer {
            slots.deallocate()
            place.deallocate()
        }
        HostMemory.providing(heap) {
            let future = wasmtime_instance_pre_instantiate_async(module.slicedPre, context, place, slots, slots + 1)
            // Without start section nothing in it can pause.
            while !wasmtime_call_future_poll(future) {}
            wasmtime_call_future_delete(future)
        }
        instance = place.pointee
        if let error = slots[1] { throw .engine(WasmtimeLibrary.consume(error)) }
        if let trap = slots[0] { throw ExecutionFailure(consuming: trap) }
        try beginMessage(globals)
    }

    /// Runs an entry point slice by slice; between two slices `pause` may let others run, or end the execution.
    func run(_ entry: EntryPoint, pause: () async -> Bool) async throws(ExecutionFailure) {
        let (function, environment) = try target(entry)
        let call = SlicedCall(context, function, environment, wide: isWide)
        while !call.poll() {
            guard await pause() else {
                failure = .interrupted
                throw .interrupted
            }
        }
        try end(call.error, call.trap)
    }

    private var hasPaused = false

    /// out_of_instructions of a sliced instance: the next slice is granted at once and begins at the next poll.
    static let pauseCallback: wasmtime_func_async_callback_t = { _, caller, _, _, _, _, trap, continuation in
        let execution = Execution.of(caller)
        execution.hasPaused = false
        do throws(ExecutionFailure) {
            try execution.outOfInstructions()
        } catch {
            trap!.pointee = execution.stop(error)
            execution.hasPaused = true
        }
        continuation!.pointee = wasmtime_async_continuation_t(
            callback: { env in
                let execution = Unmanaged<Execution>.fromOpaque(env!).takeUnretainedValue()
                defer { execution.hasPaused = true }
                return execution.hasPaused
            },
            env: Unmanaged.passUnretained(execution).toOpaque(), finalizer: nil)
    }

    /// Ends the message: charges changed pages and collects what it did.
    func finish(failure: ExecutionFailure?) -> ExecutionOutcome {
        var outcome = ExecutionOutcome(failure: failure, log: log)
        outcome.slices = slices
        if failure == nil {
            if let heap, message.chargesDirtyPages || message.replicated {
                outcome.heap = heap.delta()
            }
            outcome.stable = stable.delta()
            outcome.globals = globalValues()
            outcome.response = response
            outcome.calls = calls
            outcome.accepted = accepted
            outcome.burned = burned
            outcome.balance = balance
            // A call that was begun and never performed gives its cycles back.
            if let pendingCall { outcome.balance += pendingCall.cycles }
            outcome.certifiedData = certifiedData
            outcome.timer = timer
            outcome.acceptedMessage = acceptedMessage
        }
        var used = context == nil ? 0 : instructionsUsed
        if failure == nil, message.chargesDirtyPages {
            used += UInt64(outcome.heap.pages) * (isWide ? 4000 : 1000)
        }
        outcome.instructions = min(used, message.instructionLimit)
        return outcome
    }

    // MARK: Instructions

    private var counterValue: Int64 {
        get {
            var value = wasmtime_val_t()
            wasmtime_global_get(context, &counter, &value)
            return value.of.i64
        }
        set {
            var value = wasmtime_val_t()
            value.kind = UInt8(CWASMTIME_I64)
            value.of.i64 = newValue
            _ = wasmtime_global_set(context, &counter, &value)
        }
    }

    /// Instructions of this message so far.
    var instructionsUsed: UInt64 { usedBefore + UInt64(max(0, sliceStart &- counterValue)) }

    /// Takes instructions for a system call.
    func charge(_ instructions: UInt64) throws(ExecutionFailure) {
        let (left, overflow) = counterValue.subtractingReportingOverflow(Int64(clamping: instructions))
        counterValue = overflow ? Int64.min : left
        if overflow || left < 0 { try outOfInstructions() }
    }

    /// The counter is negative: a new slice, or the end.
    func outOfInstructions() throws(ExecutionFailure) {
        let value = counterValue
        let (executed, overflow) = sliceStart.subtractingReportingOverflow(value)
        let limit = message.instructionLimit
        guard !overflow, usedBefore + UInt64(executed) < limit else { throw .instructionLimit }
        if message.sliceLimit < limit, UInt64(executed) > 2 * message.sliceLimit {
            throw .sliceOverrun(instructions: UInt64(executed), limit: message.sliceLimit)
        }
        usedBefore += UInt64(executed)
        slices += 1
        sliceStart = Int64(clamping: min(message.sliceLimit, limit - usedBefore))
        counterValue = sliceStart
    }

    // MARK: Exports, globals, table

    private func export(_ name: String, _ kind: Int) -> wasmtime_extern_t? {
        var item = wasmtime_extern_t()
        guard wasmtime_instance_export_get(context, &instance, name, name.utf8.count, &item),
            Int(item.kind) == kind
        else { return nil }
        return item
    }

    private func setGlobal(
        _ handle: inout wasmtime_global_t, _ value: GlobalValue
    ) throws(ExecutionFailure) {
        var raw = value.engineValue
        if let error = wasmtime_global_set(context, &handle, &raw) {
            throw .engine(WasmtimeLibrary.consume(error))
        }
    }

    private func globalValues() -> [GlobalValue] {
        zip(globalHandles.indices, module.prepared.instrumented.mutableGlobals).map { index, global in
            globalValue(&globalHandles[index], type: global.type)
        }
    }

    private func globalValue(_ handle: inout wasmtime_global_t, type: UInt8) -> GlobalValue {
        var raw = wasmtime_val_t()
        wasmtime_global_get(context, &handle, &raw)
        return GlobalValue(type: type, raw)
    }

    /// A function of table 0 that takes one environment and returns nothing.
    private func tableFunction(_ index: UInt64) throws(ExecutionFailure) -> wasmtime_func_t {
        guard var table = export(Instrumentation.tableName, CWASMTIME_EXTERN_TABLE) else {
            throw .contractViolation("function index \(index) out of bounds: the module has no table")
        }
        var value = wasmtime_val_t()
        guard wasmtime_table_get(context, &table.of.table, index, &value), value.of.funcref.store_id != 0 else {
            throw .contractViolation("function index \(index) is null or out of bounds of the table")
        }
        var function = value.of.funcref
        let type = wasmtime_func_type(context, &function)
        defer { wasm_functype_delete(type) }
        let parameters = wasm_functype_params(type)!.pointee
        let expected: UInt8 = isWide ? 1 : 0
        guard wasm_functype_results(type)!.pointee.size == 0, parameters.size == 1,
            wasm_valtype_kind(parameters.data[0]) == expected
        else {
            throw .contractViolation("unexpected signature of the callback with table index \(index)")
        }
        return function
    }

    // MARK: Entry from Wasm

    private static func of(_ caller: OpaquePointer?) -> Execution {
        let data = wasmtime_context_get_data(wasmtime_caller_context(caller))!
        return Unmanaged<Execution>.fromOpaque(data).takeUnretainedValue()
    }

    private func stop(_ failure: ExecutionFailure) -> OpaquePointer? {
        if self.failure == nil { self.failure = failure }
        return wasmtime_trap_new("stopped by the host", 19)
    }

    /// Entry of the functions of module `__`; the tag is the function's number + 1.
    static let hostCallback: wasmtime_func_unchecked_callback_t = { tag, caller, values, _ in
        let execution = Execution.of(caller)
        do throws(ExecutionFailure) {
            if Int(bitPattern: tag) == Int(Instrumentation.HostFunction.outOfInstructions.rawValue) + 1 {
                try execution.outOfInstructions()
            } else {
                try execution.memoryGrown(values!)
            }
            return nil
        } catch {
            return execution.stop(error)
        }
    }

    /// Entry of the functions of module `ic0`; the tag is the `SystemCall` + 1.
    static let systemCallback: wasmtime_func_unchecked_callback_t = { tag, caller, values, _ in
        let execution = Execution.of(caller)
        do throws(ExecutionFailure) {
            guard let call = SystemCall(rawValue: UInt8(truncatingIfNeeded: Int(bitPattern: tag) - 1)) else {
                throw .engine("unknown system call")
            }
            try execution.perform(call, SystemArguments(values: values!, wide: execution.isWide))
            return nil
        } catch {
            return execution.stop(error)
        }
    }

    /// After memory.grow: (native result, pages) → result.
    private func memoryGrown(_ values: UnsafeMutablePointer<wasmtime_val_raw_t>) throws(ExecutionFailure) {
        let failed = isWide ? values[0].i64 == -1 : values[0].i32 == -1
        guard !failed, let heap else { return }
        let limit = canister.wasmMemoryLimit
        // The limit binds updates only, as in the replica; 0 is none.
        if limit > 0, UInt64(heap.bytes) > limit, !message.context.isDisjoint(with: [.update, .task, .initialization]) {
            throw .wasmMemoryLimit(bytes: UInt64(heap.bytes), limit: limit)
        }
    }
}
