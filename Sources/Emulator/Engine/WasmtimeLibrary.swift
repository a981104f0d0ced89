import CWasmtime
import Foundation
import Synchronization

/// Why the Wasm engine cannot be used.
public enum EngineError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No wasmtime library at any of the places searched.
    case libraryMissing(searched: [String])
    /// A library was found and cannot be used.
    case libraryUnusable(path: String, reason: String)
    /// wasmtime itself reported an error outside of module code.
    case engine(String)
    /// Linux refused memory or a file for a heap.
    case memory(String)

    public var description: String {
        switch self {
        case .libraryMissing(let searched):
            "The wasmtime library was not found (searched: \(searched.joined(separator: ", "))). "
                + "Run `make setup` to install it, or set DEAI_WASMTIME to the path of libwasmtime.so."
        case .libraryUnusable(let path, let reason):
            "The wasmtime library \(path) cannot be used: \(reason). Run `make setup` to install the right version."
        case .engine(let reason): "The Wasm engine failed: \(reason)"
        case .memory(let reason): "No memory for a canister: \(reason)"
        }
    }
}

/// The run-time binding of wasmtime; loaded once per process.
package enum WasmtimeLibrary {
    private static let outcome = Mutex<Result<String, EngineError>?>(nil)

    /// Loads the library if that was not done yet; returns its path.
    @discardableResult
    package static func load() throws(EngineError) -> String {
        let result = outcome.withLock { known in
            if case .success = known { return known! }
            let fresh = attempt(candidates())
            known = fresh
            return fresh
        }
        return try result.get()
    }

    /// Where the library may be, best first: DEAI_WASMTIME, `.deps` of the checkout or beside the executable, the system.
    static func candidates(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> [String] {
        if let chosen = environment["DEAI_WASMTIME"], !chosen.isEmpty { return [chosen] }
        let name = "libwasmtime.so"
        var folders: [URL] = []
        for start in [
            URL(fileURLWithPath: FileManager.default.currentDirectoryPath),
            URL(fileURLWithPath: CommandLine.arguments.first ?? "/").resolvingSymlinksInPath()
                .deletingLastPathComponent(),
        ] {
            var folder = start.standardizedFileURL
            for _ in 0..<8 {
                folders.append(folder)
                if folder.path == "/" { break }
                folder.deleteLastPathComponent()
            }
        }
        var paths: [String] = []
        for folder in folders {
            let path = folder.appendingPathComponent(".deps/" + name).path
            if !paths.contains(path), FileManager.default.fileExists(atPath: path) { paths.append(path) }
        }
        return paths + [name]
    }

    static func attempt(_ paths: [String]) -> Result<String, EngineError> {
        for path in paths {
            guard let reason = cwasmtime_load(path) else { return .success(path) }
            if FileManager.default.fileExists(atPath: path) {
                return .failure(.libraryUnusable(path: path, reason: String(cString: reason)))
            }
        }
        return .failure(
            .libraryMissing(searched: paths + [".deps of the working directory, of the executable and above"]))
    }

    /// The text of a wasmtime error, which is deleted.
    package static func consume(_ error: OpaquePointer) -> String {
        var bytes = wasm_byte_vec_t(size: 0, data: nil)
        wasmtime_error_message(error, &bytes)
        defer {
            wasm_byte_vec_delete(&bytes)
            wasmtime_error_delete(error)
        }
        return String(
            decoding: UnsafeRawBufferPointer(start: bytes.data, count: bytes.size), as: UTF8.self)
    }
}
