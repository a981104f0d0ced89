import CWasmtime
import Digests
import Emulator
import Foundation
import Images
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

/// The decoder and the resizing of pictures, as the canister runs them and as this machine does.
@Suite struct PictureParityTests {
    /// Files of every colour type, depth and interlace method, with the SHA-256 of the pixels an outside writer put in.
    static func vectors() throws -> [(name: String, file: [UInt8], hash: String)] {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../ImagesTests/Vectors/png.txt").standardizedFileURL
        return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map { line in
            let fields = line.split(separator: " ").map(String.init)
            return (fields[0], [UInt8](try #require(Data(base64Encoded: fields[4]))), fields[5])
        }
    }

    @Test(
        "Pictures decoded, converted and resized in wasm have the pixels that they have natively",
        .enabled(if: ParityTests.isBuilt, "build/parity.wasm is missing: run `make canister`"))
    func pictures() throws {
        let instance = try ReactorInstance([UInt8](Data(contentsOf: ParityTests.module)))
        func hash(_ file: [UInt8], _ width: Int, _ height: Int, _ channels: Int) throws -> [UInt8]? {
            let address = try instance.call("parity_buffer", [.init(i32: Int32(file.count))])
            try instance.write(file, at: Int(UInt32(bitPattern: address)))
            let numbers = [Int(address), file.count, width, height, channels]
            let place = try instance.call("parity_picture", numbers.map { .init(i32: Int32($0)) })
            return place == 0 ? nil : try instance.bytes(at: Int(UInt32(bitPattern: place)), count: 32)
        }
        let vectors = try Self.vectors()
        #expect(vectors.count == 60)
        for vector in vectors {
            let decoded = try hash(vector.file, 0, 0, 0)
            #expect(
                decoded.map { String(decoding: Hex.encode($0), as: UTF8.self) } == vector.hash,
                "\(vector.name)")
            let image = try PNG.decode(vector.file, limits: .small)
            for (width, height) in [(1, 1), (3, 7), (9, 10), (28, 28), (33, 4)] {
                for channels in [1, 3] {
                    let native = SHA256.hash(
                        image.fitted(width: width, height: height, channels: channels).pixels)
                    let found = try hash(vector.file, width, height, channels)
                    #expect(found == native, "\(vector.name) as \(width)x\(height)x\(channels)")
                }
            }
        }
        #expect(try hash(Array(vectors[0].file.dropLast()), 0, 0, 0) == nil)
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
        return Array(
            UnsafeBufferPointer(start: wasmtime_memory_data(context, &memory) + address, count: count))
    }

    /// Stores bytes into the exported memory.
    func write(_ bytes: [UInt8], at address: Int) throws {
        var memory = try #require(export("memory", CWASMTIME_EXTERN_MEMORY)).of.memory
        try #require(address > 0 && address + bytes.count <= wasmtime_memory_data_size(context, &memory))
        let start = try #require(wasmtime_memory_data(context, &memory))
        for (i, byte) in bytes.enumerated() { start[address + i] = byte }
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
        guard wasmtime_instance_export_get(context, &instance, name, name.utf8.count, &item),
            Int(item.kind) == kind
        else { return nil }
        return item
    }

    private static func check(_ error: OpaquePointer?) throws {
        if let error { throw EngineError.engine(WasmtimeLibrary.consume(error)) }
    }
}
