import Foundation
import IC0
import InternetComputer

/// Measures what one method of a module costs, in a throw-away canister that nothing is kept of.
public struct Meter {
    public enum Mode: String, Sendable, CaseIterable {
        case update, query, inspect
    }
    /// What one execution did.
    public struct Report: Sendable, Equatable {
        public var instructions: UInt64
        public var slices: Int
        public var dirtyPages: Int
        /// Cycles an update of this many instructions costs; 0 for queries.
        public var cycles: UInt128
        public var reply: [UInt8]?
        public var rejection: Rejection?
        /// Instructions of the start function and of `canister_init` before it.
        public var installInstructions: UInt64 = 0
    }

    private let configuration: SubnetConfiguration
    private let engine: Engine

    public init(configuration: SubnetConfiguration) throws {
        self.configuration = configuration
        engine = try Engine(cacheDirectory: nil)
    }

    /// Installs `module` with `initArgument`, then runs the exported function `export` once.
    ///
    /// Throws `WasmError` for a module that cannot be installed and `Rejection` when its start function or
    /// `canister_init` fails.
    public func measure(
        _ module: [UInt8], export: String, argument: [UInt8] = [], initArgument: [UInt8] = [],
        caller: Principal = .anonymous, mode: Mode = .update, cyclesAvailable: UInt128 = 0
    ) throws -> Report {
        let canister = try MeteredCanister(
            module, initArgument: initArgument, caller: caller, initializes: export != "canister_init",
            configuration: configuration, engine: engine)
        return try canister.run(export, argument: argument, mode: mode, cyclesAvailable: cyclesAvailable)
    }

    /// Size of a plain module after the instrumentation pass: for measuring the pass.
    package static func instrument(_ module: [UInt8]) throws(WasmError) -> Int {
        try module.withUnsafeBufferPointer { (bytes) throws(WasmError) in
            try Instrumentation.apply(try WasmModule(bytes), bytes, limits: SubnetConfiguration.Limits()).bytes.count
        }
    }
}
