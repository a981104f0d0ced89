/// SHA-256 (FIPS 180-4) of bytes that arrive in any number of pieces.
///
/// The running state can be taken out and put back as bytes, so that a long hash may be spread over messages.
public struct SHA256: Sendable {
    private var state: SHA256State
    /// The last, incomplete block; always 64 bytes of storage.
    private var pending: [UInt8]
    private var pendingCount: Int
    private var length: UInt64

    public init() {
        state = SHA256State()
        pending = [UInt8](repeating: 0, count: 64)
        pendingCount = 0
        length = 0
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        length &+= UInt64(bytes.count)
        var offset = 0
        if pendingCount > 0 {
            let taken = min(64 - pendingCount, bytes.count)
            for i in 0..<taken { pending[pendingCount + i] = bytes[i] }
            pendingCount += taken
            offset = taken
            guard pendingCount == 64 else { return }
            pending.withUnsafeBytes { state.absorb($0.baseAddress!, blocks: 1) }
            pendingCount = 0
        }
        let blocks = (bytes.count - offset) / 64
        state.absorb(base + offset, blocks: blocks)
        offset += blocks * 64
        while offset < bytes.count {
            pending[pendingCount] = bytes[offset]
            pendingCount += 1
            offset += 1
        }
    }

    public mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// The 32-byte digest; the value must not be used afterwards.
    public mutating func finalize() -> [UInt8] {
        let bits = length &* 8
        var padding: [UInt8] = [0x80]
        let zeros = (pendingCount < 56 ? 55 : 119) - pendingCount
        padding.append(contentsOf: repeatElement(0, count: zeros))
        for shift in stride(from: 56, through: 0, by: -8) {
            padding.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
        update(padding)
        return state.bytes
    }

    public static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var hasher = SHA256()
        hasher.update(bytes)
        return hasher.finalize()
    }

    public static func hash(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { hash($0) }
    }

    /// Bytes of an exported state: eight words, the length, one block.
    public static let exportedByteCount = 104

    /// The running state: eight big-endian words, the big-endian length in bytes, the incomplete block padded
    /// with zeros to 64 bytes.
    public func exported() -> [UInt8] {
        var bytes = state.bytes
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: length >> UInt64(shift)))
        }
        for i in 0..<64 { bytes.append(i < pendingCount ? pending[i] : 0) }
        return bytes
    }

    /// Continues a hash from `exported()`; nil unless there are exactly `exportedByteCount` bytes.
    public init?(exported bytes: [UInt8]) {
        guard bytes.count == SHA256.exportedByteCount else { return nil }
        state = SHA256State(bytes: bytes)
        length = 0
        for i in 32..<40 { length = length << 8 | UInt64(bytes[i]) }
        pendingCount = Int(length % 64)
        pending = [UInt8](bytes[40..<104])
    }
}
