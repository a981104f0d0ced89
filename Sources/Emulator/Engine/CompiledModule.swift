import CWasmtime
import IC0

/// Machine code of a module with its imports resolved; instances are made from it.
final class CompiledModule: @unchecked Sendable {
    let engine: Engine
    let prepared: PreparedModule
    private let module: OpaquePointer
    /// Makes instances whose calls run to their end.
    let instancePre: OpaquePointer
    /// Makes instances that pause when a slice is used up; their calls are polled.
    let slicedPre: OpaquePointer

    init(engine: Engine, module: OpaquePointer, prepared: PreparedModule) throws(EngineError) {
        self.engine = engine
        self.module = module
        self.prepared = prepared
        instancePre = try Self.link(engine, module, prepared, sliced: false)
        slicedPre = try Self.link(engine, module, prepared, sliced: true)
    }

    private static func link(
        _ engine: Engine, _ module: OpaquePointer, _ prepared: PreparedModule, sliced: Bool
    ) throws(EngineError) -> OpaquePointer {
        let linker = wasmtime_linker_new(engine.handle)
        defer { wasmtime_linker_delete(linker) }
        let wide = prepared.instrumented.isWide
        for function in Instrumentation.HostFunction.allCases {
            let address: SystemValue = wide ? .i64 : .i32
            let isGrow = function == .tryGrowMemory
            if sliced, !isGrow {
                try Self.definePause(linker, function.name)
                continue
            }
            try Self.define(
                linker, Instrumentation.hostModule, function.name, isGrow ? [address, address] : [],
                isGrow ? [address] : [], Execution.hostCallback, Int(function.rawValue) + 1)
        }
        for name in Set(prepared.instrumented.imports) {
            guard let call = SystemCall(name: Array(name.utf8)), let parameters = call.parameters(wide: wide) else {
                throw .engine("unknown import \(name)")
            }
            try Self.define(
                linker, "ic0", name, parameters, call.results(wide: wide), Execution.systemCallback,
                Int(call.rawValue) + 1)
        }
        var pre: OpaquePointer?
        if let error = wasmtime_linker_instantiate_pre(linker, module, &pre) {
            throw .engine(WasmtimeLibrary.consume(error))
        }
        guard let pre else { throw .engine("no instance template") }
        return pre
    }

    /// out_of_instructions as a function that suspends the call.
    private static func definePause(_ linker: OpaquePointer?, _ name: String) throws(EngineError) {
        var (parameters, results) = (vector([]), vector([]))
        let type = wasm_functype_new(&parameters, &results)
        defer { wasm_functype_delete(type) }
        if let error = wasmtime_linker_define_async_func(
            linker, Instrumentation.hostModule, Instrumentation.hostModule.utf8.count, name, name.utf8.count, type,
            Execution.pauseCallback, nil, nil)
        {
            throw .engine(WasmtimeLibrary.consume(error))
        }
    }

    deinit {
        wasmtime_instance_pre_delete(instancePre)
        wasmtime_instance_pre_delete(slicedPre)
        wasmtime_module_delete(module)
    }

    private static func define(
        _ linker: OpaquePointer?, _ module: String, _ name: String, _ parameters: [SystemValue],
        _ results: [SystemValue], _ callback: wasmtime_func_unchecked_callback_t, _ tag: Int
    ) throws(EngineError) {
        var parameterTypes = vector(parameters)
        var resultTypes = vector(results)
        let type = wasm_functype_new(&parameterTypes, &resultTypes)
        defer { wasm_functype_delete(type) }
        if let error = wasmtime_linker_define_func_unchecked(
            linker, module, module.utf8.count, name, name.utf8.count, type, callback,
            UnsafeMutableRawPointer(bitPattern: tag), nil)
        {
            throw .engine(WasmtimeLibrary.consume(error))
        }
    }

    private static func vector(_ values: [SystemValue]) -> wasm_valtype_vec_t {
        let types: [OpaquePointer?] = values.map { wasm_valtype_new($0 == .i32 ? 0 : 1) }
        var result = wasm_valtype_vec_t(size: 0, data: nil)
        wasm_valtype_vec_new(&result, types.count, types)
        return result
    }
}
