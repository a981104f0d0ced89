/// The part of the Internet Computer's system API that a canister here uses, in Swift types.
///
/// In the canister it is `WasmSystem`, one import per call; tests pass a system of their own. Semantics, contexts
/// and traps: Interface Specification, "Canister interface (System API)".
public protocol SystemAPI {
    /// The argument of the message.
    func argument() -> [UInt8]
    /// The length of the argument in bytes, without copying it.
    func argumentSize() -> Int
    /// Fills the buffer with the argument's bytes from `offset`. The range must exist.
    func argument(from offset: Int, into buffer: UnsafeMutableRawBufferPointer)
    /// The principal that sent the message.
    func caller() -> [UInt8]
    /// Whether the principal controls this canister. At most 29 bytes.
    func isController(_ principal: [UInt8]) -> Bool

    /// The principal of this canister.
    func canisterSelf() -> [UInt8]

    /// Answers the call. Once per message.
    func reply(_ bytes: [UInt8])
    /// Rejects the call with a UTF-8 text. Once per message, instead of a reply.
    func reject(_ text: [UInt8])

    /// In `inspect_message`: the name of the method.
    func methodName() -> [UInt8]
    /// In `inspect_message`: lets the message in.
    func acceptMessage()

    /// Nanoseconds since 1970, constant during a message.
    func time() -> UInt64
    /// Instructions of this message so far.
    func performanceCounter() -> UInt64

    /// Sets the value that the subnet certifies for this canister; at most 32 bytes.
    func setCertifiedData(_ data: [UInt8])
    /// The subnet's certificate of that value; nil but in a query call that came directly from outside.
    func dataCertificate() -> [UInt8]?

    /// Pages of 64 KiB of stable memory.
    func stableSize() -> UInt64
    /// Adds zeroed pages; the former number of pages, or nil when there is no room.
    func stableGrow(_ pages: UInt64) -> UInt64?
    /// Fills the buffer from stable memory. The range must exist.
    func stableRead(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
    /// Writes to stable memory. The range must exist.
    func stableWrite(at offset: UInt64, _ bytes: UnsafeRawBufferPointer)
}

extension SystemAPI {
    /// Bytes of the argument. The range must exist.
    public func argument(from offset: Int, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            argument(from: offset, into: UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    /// Bytes of stable memory. The range must exist.
    public func stableRead(at offset: UInt64, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            stableRead(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    /// Writes bytes to stable memory. The range must exist.
    public func stableWrite(at offset: UInt64, _ bytes: [UInt8]) {
        bytes.withUnsafeBytes { stableWrite(at: offset, $0) }
    }
}
