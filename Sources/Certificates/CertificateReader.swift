/// Reads the CBOR of certificates and hash trees from untrusted bytes: definite lengths, each compared with what
/// remains.
///
/// The subset that the interface specification's `certificate` and `hash-tree` need, for code without a host;
/// every shape is known before it is read, so nothing is built but its parts.
struct CertificateReader {
    private let bytes: [UInt8]
    private var offset = 0

    /// Levels of a tree; a path of a subnet's state has fewer.
    private static let deepest = 128

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xd9, 0xd9, 0xf7]) { offset = 3 }
    }

    /// Whether everything has been read.
    var isAtEnd: Bool { offset == bytes.count }

    private mutating func head() throws(CertificateFault) -> (major: UInt8, argument: UInt64) {
        guard offset < bytes.count else { throw .malformed }
        let first = bytes[offset]
        offset += 1
        let information = first & 31
        guard information >= 24 else { return (first >> 5, UInt64(information)) }
        guard information < 28 else { throw .malformed }
        let width = 1 << Int(information - 24)
        guard width <= bytes.count - offset else { throw .malformed }
        var argument: UInt64 = 0
        for byte in bytes[offset..<(offset + width)] { argument = argument << 8 | UInt64(byte) }
        offset += width
        return (first >> 5, argument)
    }

    private mutating func string(major: UInt8) throws(CertificateFault) -> [UInt8] {
        let head = try head()
        guard head.major == major, head.argument <= UInt64(bytes.count - offset) else { throw .malformed }
        let count = Int(head.argument)
        offset += count
        return [UInt8](bytes[(offset - count)..<offset])
    }

    mutating func byteString() throws(CertificateFault) -> [UInt8] { try string(major: 2) }
    mutating func text() throws(CertificateFault) -> [UInt8] { try string(major: 3) }

    /// The number of elements of an array.
    mutating func array() throws(CertificateFault) -> Int { try count(major: 4) }
    /// The number of entries of a map.
    mutating func map() throws(CertificateFault) -> Int { try count(major: 5) }

    private mutating func count(major: UInt8) throws(CertificateFault) -> Int {
        let head = try head()
        guard head.major == major, head.argument <= UInt64(bytes.count - offset) else { throw .malformed }
        return Int(head.argument)
    }

    mutating func tree(depth: Int = 0) throws(CertificateFault) -> HashTree {
        guard depth <= Self.deepest else { throw .malformed }
        let count = try array()
        let kind = try head()
        guard kind.major == 0 else { throw .malformed }
        switch (kind.argument, count) {
        case (0, 1): return .empty
        case (1, 3): return .fork(try tree(depth: depth + 1), try tree(depth: depth + 1))
        case (2, 3): return .labeled(try byteString(), try tree(depth: depth + 1))
        case (3, 2): return .leaf(try byteString())
        case (4, 2):
            let digest = try byteString()
            guard digest.count == 32 else { throw .malformed }
            return .pruned(digest)
        default: throw .malformed
        }
    }

    /// Passes over a value of any kind.
    mutating func skip(depth: Int = 0) throws(CertificateFault) {
        guard depth <= Self.deepest else { throw .malformed }
        let head = try head()
        var parts = head.argument
        switch head.major {
        case 2, 3:
            guard parts <= UInt64(bytes.count - offset) else { throw .malformed }
            offset += Int(parts)
            return
        case 4: break
        case 5: parts = parts &* 2
        case 6: parts = 1
        default: return
        }
        guard parts <= UInt64(bytes.count - offset) else { throw .malformed }
        for _ in 0..<Int(parts) { try skip(depth: depth + 1) }
    }
}

extension HashTree {
    /// Reads a whole tree whose labels are in order.
    public init(encoded: [UInt8]) throws(CertificateFault) {
        var reader = CertificateReader(encoded)
        self = try reader.tree()
        guard reader.isAtEnd, isWellFormed else { throw .malformed }
    }
}
