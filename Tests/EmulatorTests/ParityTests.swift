import CWasmtime
import Emulator
import Foundation
import Kernels
import NeuralNetwork
import Testing

/// The training engine compiled to wasm32 against the same sources compiled for this machine.
@Suite struct ParityTests {
    /// `make canister` builds it; `make test` does so before the tests.
    static let module = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../build/parity.wasm").standardizedFileURL

    static var isBuilt: Bool { FileManager.default.fileExists(atPath: module.path) }

    @Test(
        "Twenty training steps of lenet5, compiled to wasm32 and run in wasmtime, end in the same weight hash as natively",
        .enabled(if: isBuilt, "build/parity.wasm is missing: run `make canister`"), arguments: [1, 2])
    func lenet5HasTheSameBits(threads: Int) throws {
        let lenet5 = Int32(try #require(Preset.allCases.firstIndex(of: .lenet5)))
        let seed: UInt64 = 20_240_607
        let native = try SelfTest.weightHash(
            preset: .lenet5, steps: 20, seed: seed, workers: threads == 1 ? .serial : .threads(threads))
        let instance = try ReactorInstance([UInt8](Data(contentsOf: Self.module)))
        let address = try instance.call(
            "parity_train", [.init(i32: lenet5), .init(i32: 20), .init(i64: Int64(bitPattern: seed))])
        #expect(native.count == 32)
        #expect(try instance.bytes(at: Int(UInt32(bitPattern: address)), count: 32) == native)
        // The hash depends on what was trained: one step fewer ends elsewhere.
        let fewer = try instance.call(
            "parity_train", [.init(i32: lenet5), .init(i32: 19), .init(i64: Int64(bitPattern: seed))])
        #expect(try instance.bytes(at: Int(UInt32(bitPattern: fewer)), count: 32) != native)
    }
}

/// An instance of a module without imports, in an engine with wasmtime's default options.
final class ReactorInstance {
    private let engine: OpaquePointer
    private let store: OpaquePointer
    private let context: OpaquePointer
    private var instance = wasmtime_instance_t()

    init(_ wasm: [UInt8]) throws {
        try WasmtimeLibrary.load()
        engine = try #require(wasm_engine_new_with_config(wasm_config_new()))
        store = try #require(wasmtime_store_new(engine, nil, nil))
        context = try #require(wasmtime_store_context(store))
        var module: OpaquePointer?
        try Self.check(wasmtime_module_new(engine, wasm, wasm.count, &module))
        defer { wasmtime_module_delete(module) }
        let linker = wasmtime_linker_new(engine)
        defer { wasmtime_linker_delete(linker) }
        var template: OpaquePointer?
        try Self.check(wasmtime_linker_instantiate_pre(linker, module, &template))
        defer { wasmtime_instance_pre_delete(template) }
        var trap: OpaquePointer?
        try Self.check(wasmtime_instance_pre_instantiate(template, context, &instance, &trap))
        try #require(trap == nil)
        if let initializer = export("_initialize", CWASMTIME_EXTERN_FUNC) { _ = try call(initializer, []) }
    }

    deinit {
        wasmtime_store_delete(store)
        wasm_engine_delete(engine)
    }

    /// Calls an exported function and gives back its i32 result.
    func call(_ name: String, _ arguments: [wasmtime_val_raw_t]) throws -> Int32 {
        try call(try #require(export(name, CWASMTIME_EXTERN_FUNC)), arguments)
    }

    /// Bytes of the exported memory.
    func bytes(at address: Int, count: Int) throws -> [UInt8] {
        var memory = try #require(export("memory", CWASMTIME_EXTERN_MEMORY)).of.memory
        try #require(address > 0 && address + count <= wasmtime_memory_data_size(context, &memory))
        return Array(UnsafeBufferPointer(start: wasmtime_memory_data(context, &memory) + address, count: count))
    }

    private func call(_ function: wasmtime_extern_t, _ arguments: [wasmtime_val_raw_t]) throws -> Int32 {
        var handle = function.of.func
        var values = arguments.isEmpty ? [wasmtime_val_raw_t()] : arguments
        var trap: OpaquePointer?
        try Self.check(wasmtime_func_call_unchecked(context, &handle, &values, values.count, &trap))
        try #require(trap == nil, "the module trapped")
        return values[0].i32
    }

    private func export(_ name: String, _ kind: Int) -> wasmtime_extern_t? {
        var item = wasmtime_extern_t()
        guard wasmtime_instance_export_get(context, &instance, name, name.utf8.count, &item), Int(item.kind) == kind
        else { return nil }
        return item
    }

    private static func check(_ error: OpaquePointer?) throws {
        if let error { throw EngineError.engine(WasmtimeLibrary.consume(error)) }
    }
}
