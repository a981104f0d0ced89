import CWasmtime
import Crypto
import Foundation
import Synchronization

/// The Wasm engine with the replica's options, and the cache of compiled modules.
final class Engine: @unchecked Sendable {
    static let stackBytes = 5 << 20
    static let reservedBytes = 6 << 30
    static let guardBytes = 32 << 20
    /// Part of the key of cached machine code: change with any option that changes the code.
    private static let cacheVersion = "deai-engine-2;wasmtime-50;nan=1;tail=1;m64=1;res=6g;guard=32m;opt=speed;hints=1"

    let handle: OpaquePointer
    let library: String
    private let cacheDirectory: URL?
    private let modules = Mutex<[[UInt8]: Weak]>([:])
    private struct Weak { weak var module: CompiledModule? }

    init(cacheDirectory: URL?) throws(EngineError) {
        library = try WasmtimeLibrary.load()
        self.cacheDirectory = cacheDirectory
        let config = wasm_config_new()
        // The stack of asynchronous calls must not be smaller than max_wasm_stack, so it is set first.
        wasmtime_config_async_stack_size_set(config, UInt64(Self.stackBytes + (1 << 20)))
        wasmtime_config_max_wasm_stack_set(config, Self.stackBytes)
        wasmtime_config_wasm_threads_set(config, false)
        wasmtime_config_wasm_tail_call_set(config, true)
        wasmtime_config_wasm_function_references_set(config, false)
        wasmtime_config_wasm_gc_set(config, false)
        wasmtime_config_wasm_exceptions_set(config, false)
        wasmtime_config_wasm_relaxed_simd_set(config, false)
        wasmtime_config_wasm_multi_memory_set(config, false)
        wasmtime_config_wasm_memory64_set(config, true)
        wasmtime_config_wasm_branch_hinting_set(config, true)
        wasmtime_config_cranelift_nan_canonicalization_set(config, true)
        wasmtime_config_cranelift_opt_level_set(config, 1)
        wasmtime_config_memory_may_move_set(config, false)
        wasmtime_config_memory_reservation_set(config, UInt64(Self.reservedBytes))
        wasmtime_config_memory_guard_size_set(config, UInt64(Self.guardBytes))
        wasmtime_config_memory_init_cow_set(config, false)
        var creator = HostMemory.creator
        wasmtime_config_host_memory_creator_set(config, &creator)
        guard let engine = wasm_engine_new_with_config(config) else { throw .engine("no engine") }
        handle = engine
    }

    deinit { wasm_engine_delete(handle) }

    /// Compiles a validated, instrumented module, or takes it from memory or disk. `hash` identifies the original.
    func compile(_ prepared: PreparedModule) throws(EngineError) -> CompiledModule {
        if let known = modules.withLock({ $0[prepared.hash]?.module }) { return known }
        let module = try load(prepared)
        let compiled = try CompiledModule(engine: self, module: module, prepared: prepared)
        modules.withLock { $0[prepared.hash] = Weak(module: compiled) }
        return compiled
    }

    private func load(_ prepared: PreparedModule) throws(EngineError) -> OpaquePointer {
        let file = cacheFile(prepared)
        if let file, let module = cached(file) { return module }
        var module: OpaquePointer?
        let bytes = prepared.instrumented.bytes
        if let error = wasmtime_module_new(handle, bytes, bytes.count, &module) {
            throw .engine(WasmtimeLibrary.consume(error))
        }
        guard let module else { throw .engine("no module") }
        if let file { store(module, file) }
        return module
    }

    private func cacheFile(_ prepared: PreparedModule) -> URL? {
        guard let cacheDirectory else { return nil }
        var hash = SHA256()
        hash.update(data: Array(Self.cacheVersion.utf8))
        hash.update(data: Array(library.utf8))
        // The instrumented bytes, so that a change of the pass is a change of the key.
        hash.update(data: prepared.instrumented.bytes)
        let name = hash.finalize().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        return cacheDirectory.appendingPathComponent(name + ".code")
    }

    /// A file is its own SHA-256 followed by machine code; a wrong checksum counts as absent.
    private func cached(_ file: URL) -> OpaquePointer? {
        guard let data = try? Data(contentsOf: file, options: .mappedIfSafe), data.count > 32 else { return nil }
        let code = data.dropFirst(32)
        guard Data(SHA256.hash(data: code)) == data.prefix(32) else { return nil }
        var module: OpaquePointer?
        let error = code.withUnsafeBytes {
            wasmtime_module_deserialize(handle, $0.bindMemory(to: UInt8.self).baseAddress, $0.count, &module)
        }
        if let error {
            _ = WasmtimeLibrary.consume(error)
            return nil
        }
        return module
    }

    private func store(_ module: OpaquePointer, _ file: URL) {
        var bytes = wasm_byte_vec_t(size: 0, data: nil)
        if let error = wasmtime_module_serialize(module, &bytes) {
            _ = WasmtimeLibrary.consume(error)
            return
        }
        defer { wasm_byte_vec_delete(&bytes) }
        let code = Data(bytes: bytes.data, count: bytes.size)
        // A cache that cannot be written only costs time at the next start.
        try? (Data(SHA256.hash(data: code)) + code).write(to: file, options: .atomic)
    }

    /// Whether wasmtime accepts the original module; nil, or its reason.
    func validate(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        wasmtime_module_validate(handle, bytes.baseAddress, bytes.count).map(WasmtimeLibrary.consume)
    }
}
