import CWasmtime
import Foundation
import InternetComputer

/// What metering costs on this machine: the speed of the instrumentation pass, and how much longer the same code takes
/// when it counts.
public struct MeteringOverhead: Sendable {
    /// Bytes of the module before and after the pass.
    public let bytes: Int
    public let instrumentedBytes: Int
    /// Processor seconds of one pass.
    public let passSeconds: Double
    /// Processor seconds of one call without and with counting, the least of several; nil for a module with imports,
    /// which cannot run by itself.
    public let callSeconds: (plain: Double, metered: Double)?

    /// Measures the pass, and `export` of a module that imports nothing, `rounds` times in turns.
    ///
    /// Throws `WasmError` for a module that cannot be installed, and `Rejection` where a call fails.
    public static func measure(_ module: [UInt8], export: String, rounds: Int) throws -> MeteringOverhead {
        let (size, seconds) = try pass(module)
        let imports = try module.withUnsafeBufferPointer { bytes in try WasmModule(bytes).imports.count }
        return MeteringOverhead(
            bytes: module.count, instrumentedBytes: size, passSeconds: seconds,
            callSeconds: imports == 0 ? try calls(module, export, rounds) : nil)
    }

    private static func calls(
        _ module: [UInt8], _ export: String, _ rounds: Int
    ) throws -> (plain: Double, metered: Double) {
        let engine = try Engine(cacheDirectory: nil)
        let canister = try MeteredCanister(
            module, initArgument: [], caller: .anonymous, initializes: true,
            configuration: SubnetConfiguration(subnetID: .anonymous), engine: engine)
        let plain = try PlainInstance(module, engine: engine)
        var best = (plain: Double.infinity, metered: Double.infinity)
        for _ in 0..<rounds {
            best.plain = min(best.plain, try QueryRate.processorTime { try plain.call(export) })
            best.metered = min(
                best.metered,
                try QueryRate.processorTime {
                    // Without imports it cannot reply either.
                    let rejection = try canister.run(export, mode: .update).rejection
                    if let rejection, rejection.error != .canisterDidNotReply { throw rejection }
                })
        }
        return best
    }

    /// Size after the pass, and the least processor seconds of passes that together take half a second.
    private static func pass(_ module: [UInt8]) throws -> (bytes: Int, seconds: Double) {
        var (bytes, least, sum) = (0, Double.infinity, 0.0)
        while sum < 0.5 {
            // A pass of a small module is too short for the clock.
            let count = max(1, 1_000_000 / max(1, module.count))
            let seconds = try QueryRate.processorTime {
                for _ in 0..<count { bytes = try Meter.instrument(module) }
            }
            least = min(least, seconds / Double(count))
            sum += seconds
        }
        return (bytes, least)
    }
}

/// A module as it is, without counting.
private final class PlainInstance {
    private let store: OpaquePointer?
    private let context: OpaquePointer?
    private var instance = wasmtime_instance_t()
    private let heap: PrivateMapping

    init(_ module: [UInt8], engine: Engine) throws {
        var code: OpaquePointer?
        if let error = wasmtime_module_new(engine.handle, module, module.count, &code) {
            throw EngineError.engine(WasmtimeLibrary.consume(error))
        }
        defer { wasmtime_module_delete(code) }
        let linker = wasmtime_linker_new(engine.handle)
        defer { wasmtime_linker_delete(linker) }
        var template: OpaquePointer?
        if let error = wasmtime_linker_instantiate_pre(linker, code, &template) {
            throw WasmError("only a module without imports runs unmetered: \(WasmtimeLibrary.consume(error))", at: 0)
        }
        defer { wasmtime_instance_pre_delete(template) }
        heap = try PrivateMapping(
            image: try MemoryImage(path: nil), minimum: 1 << 32, reserve: Engine.reservedBytes + 2 * Engine.guardBytes,
            onRelease: { _ in })
        store = wasmtime_store_new(engine.handle, nil, nil)
        context = wasmtime_store_context(store)
        var trap: OpaquePointer?
        let error = HostMemory.providing(heap) {
            wasmtime_instance_pre_instantiate(template, context, &instance, &trap)
        }
        try Self.check(error, trap)
    }

    deinit { wasmtime_store_delete(store) }

    /// Calls an exported function without parameters and results.
    func call(_ export: String) throws {
        var item = wasmtime_extern_t()
        guard wasmtime_instance_export_get(context, &instance, export, export.utf8.count, &item),
            Int(item.kind) == CWASMTIME_EXTERN_FUNC
        else { throw WasmError("no exported function \(export)", at: 0) }
        var argument = wasmtime_val_raw_t()
        var trap: OpaquePointer?
        try Self.check(wasmtime_func_call_unchecked(context, &item.of.func, &argument, 0, &trap), trap)
    }

    private static func check(_ error: OpaquePointer?, _ trap: OpaquePointer?) throws {
        if let error { throw EngineError.engine(WasmtimeLibrary.consume(error)) }
        if let trap { throw EngineError.engine("\(ExecutionFailure(consuming: trap))") }
    }
}
