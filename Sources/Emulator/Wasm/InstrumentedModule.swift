/// A module made ready for metered execution.
struct InstrumentedModule: Sendable {
    /// The rewritten module: one counter global, charge code, host imports first, no start section, no active data.
    var bytes: [UInt8]
    /// Active data segments in order: applied once by the host when the module is installed.
    var dataSegments: [(address: UInt64, content: [UInt8])]
    /// Types of the exported mutable globals `__persistent_mutable_global_N`, with N.
    var mutableGlobals: [(index: Int, type: UInt8)]
    var hasStart: Bool
    var hasTable: Bool
    var isWide: Bool
    /// Initial size of the memory in 64-KiB pages; nil without a memory.
    var initialPages: UInt64?
    /// Operators of all local functions, the measure of the compile charge.
    var operators: Int
    /// Names of the ic0 functions imported.
    var imports: [String]
    /// Whether an instance can serve several queries: nothing but memory and globals changes in it.
    var isReusable: Bool
}
