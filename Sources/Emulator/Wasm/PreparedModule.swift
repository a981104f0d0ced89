import CZlib
import Crypto
import Foundation
import IC0

/// A module that passed every check, with what the subnet needs to know of it.
final class PreparedModule: Sendable {
    enum MethodKind: String, Sendable {
        case update, query
        case compositeQuery = "composite query"
    }
    struct CustomSection: Sendable, Equatable {
        var name: String
        var isPublic: Bool
        var content: [UInt8]
    }

    /// SHA-256 of the module as uploaded (compressed when it was).
    let hash: [UInt8]
    let instrumented: InstrumentedModule
    let methods: [String: MethodKind]
    /// Names of exports such as `canister_init`.
    let hooks: Set<String>
    let customSections: [CustomSection]
    /// Whether queries may ask for a data certificate.
    let readsCertificates: Bool

    init(
        hash: [UInt8], instrumented: InstrumentedModule, methods: [String: MethodKind], hooks: Set<String>,
        customSections: [CustomSection]
    ) {
        self.hash = hash
        self.instrumented = instrumented
        self.methods = methods
        self.hooks = hooks
        self.customSections = customSections
        readsCertificates = instrumented.imports.contains { $0.hasPrefix("data_certificate") }
    }

    var customSectionBytes: Int { customSections.reduce(0) { $0 + $1.name.utf8.count + $1.content.count } }

    /// Unpacks, validates and instruments a module. Order of checks: encoding, structure, the subnet's rules, the engine.
    static func prepare(
        _ uploaded: [UInt8], limits: SubnetConfiguration.Limits, engine: Engine?
    ) throws(WasmError) -> PreparedModule {
        let raw = try ModuleEncoding.unpack(uploaded, limit: limits.moduleBytes)
        return try raw.withUnsafeBufferPointer { (bytes) throws(WasmError) in
            let module = try WasmModule(bytes)
            let rules = try ModuleRules(module, bytes, limits: limits)
            if let reason = engine?.validate(bytes) { throw WasmError(reason, at: 0) }
            return PreparedModule(
                hash: Array(SHA256.hash(data: uploaded)),
                instrumented: try Instrumentation.apply(module, bytes, limits: limits),
                methods: rules.methods, hooks: rules.hooks, customSections: rules.customSections)
        }
    }
}

/// The forms in which a module may be uploaded: plain, or gzip.
enum ModuleEncoding {
    static func unpack(_ bytes: [UInt8], limit: Int) throws(WasmError) -> [UInt8] {
        if bytes.starts(with: [0x1f, 0x8b, 0x08]) { return try inflate(bytes, limit: limit) }
        guard bytes.starts(with: [0, 0x61, 0x73, 0x6d]) else {
            throw WasmError("neither a Wasm module (00 61 73 6d) nor a gzip file (1f 8b 08)", at: 0)
        }
        guard bytes.count <= limit else { throw WasmError("module of \(bytes.count) bytes, at most \(limit)", at: 0) }
        return bytes
    }

    /// The content of a gzip file; other bytes come back as they are.
    static func inflated(_ bytes: [UInt8], limit: Int) throws(WasmError) -> [UInt8] {
        bytes.starts(with: [0x1f, 0x8b, 0x08]) ? try inflate(bytes, limit: limit) : bytes
    }

    private static func inflate(_ bytes: [UInt8], limit: Int) throws(WasmError) -> [UInt8] {
        // The last four bytes hold the size modulo 2^32: a hint for the buffer, not believed beyond the limit.
        let hint = bytes.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        var output = [UInt8](repeating: 0, count: max(1024, min(hint + 1, limit + 1)))
        var stream = z_stream()
        guard inflateInit2_(&stream, 31, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw WasmError("zlib cannot start", at: 0)
        }
        defer { inflateEnd(&stream) }
        var input = bytes
        let size = input.count
        var produced = 0
        let status: Int32 = input.withUnsafeMutableBufferPointer { source in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(size)
            while true {
                let status: Int32 = output.withUnsafeMutableBufferPointer { target in
                    stream.next_out = target.baseAddress! + produced
                    stream.avail_out = UInt32(target.count - produced)
                    return CZlib.inflate(&stream, Z_NO_FLUSH)
                }
                produced = output.count - Int(stream.avail_out)
                guard status == Z_OK, produced == output.count, produced <= limit else { return status }
                output.append(contentsOf: repeatElement(0, count: min(output.count, limit + 1 - output.count)))
                if output.count == produced { return status }
            }
        }
        guard produced <= limit else { throw WasmError("module larger than \(limit) bytes after decompression", at: 0) }
        guard status == Z_STREAM_END else { throw WasmError("damaged gzip data", at: size - Int(stream.avail_in)) }
        output.removeLast(output.count - produced)
        return output
    }
}
