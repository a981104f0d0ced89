/// Reads CBOR from untrusted bytes: no length is believed before it is compared with what remains.
///
/// Definite and indefinite lengths are both read, integers in any width, as serialisers in the field emit them.
/// Repeated map keys, reserved heads, broken UTF-8 and trailing bytes are errors.
struct CBORDecoder {
    private let bytes: [UInt8]
    private let limits: CBOR.Limits
    private var offset = 0
    private var items = 0

    init(bytes: [UInt8], limits: CBOR.Limits) {
        self.bytes = bytes
        self.limits = limits
    }

    mutating func wholeInput() throws(CBORError) -> CBOR {
        let item = try item(depth: 0)
        guard offset == bytes.count else {
            throw .trailingBytes(offset: offset, count: bytes.count - offset)
        }
        return item
    }

    private struct Head {
        var start: Int
        var major: UInt8
        var information: UInt8
        var argument: UInt64

        var isIndefinite: Bool { information == 31 }
    }

    private mutating func head() throws(CBORError) -> Head {
        guard offset < bytes.count else { throw .truncated(offset: offset, needed: 1, remaining: 0) }
        let start = offset
        let first = bytes[offset]
        offset += 1
        let information = first & 31
        let width: Int
        switch information {
        case 0..<24:
            return Head(
                start: start, major: first >> 5, information: information, argument: UInt64(information))
        case 24...27: width = 1 << Int(information - 24)
        case 31 where (2...5).contains(first >> 5) || first >> 5 == 7:
            return Head(start: start, major: first >> 5, information: information, argument: 0)
        default: throw .reservedHead(offset: start, byte: first)
        }
        try need(UInt64(width))
        var argument: UInt64 = 0
        for byte in bytes[offset..<offset + width] { argument = argument << 8 | UInt64(byte) }
        offset += width
        return Head(start: start, major: first >> 5, information: information, argument: argument)
    }

    private func need(_ count: UInt64) throws(CBORError) {
        let remaining = bytes.count - offset
        guard count <= UInt64(remaining) else {
            throw .truncated(offset: offset, needed: count, remaining: remaining)
        }
    }

    private mutating func take(_ count: UInt64) throws(CBORError) -> [UInt8] {
        try need(count)
        let taken = Array(bytes[offset..<offset + Int(count)])
        offset += Int(count)
        return taken
    }

    private mutating func item(depth: Int) throws(CBORError) -> CBOR {
        try item(head(), depth: depth)
    }

    private mutating func item(_ head: Head, depth: Int) throws(CBORError) -> CBOR {
        guard depth <= limits.depth else { throw .tooDeep(offset: head.start, limit: limits.depth) }
        items += 1
        guard items <= limits.items else { throw .tooManyItems(offset: head.start, limit: limits.items) }
        switch head.major {
        case 0: return .unsigned(head.argument)
        case 1: return .negative(head.argument)
        case 2: return .bytes(try string(head))
        case 3:
            guard let text = String(validating: try string(head), as: UTF8.self) else {
                throw .badUTF8(offset: head.start)
            }
            return .text(text)
        case 4: return .array(try array(head, depth: depth))
        case 5: return .map(try map(head, depth: depth))
        case 6: return .tagged(head.argument, try item(depth: depth + 1))
        default: return try simple(head)
        }
    }

    /// The content of a byte or text string, whose chunks are joined when its length is indefinite.
    private mutating func string(_ head: Head) throws(CBORError) -> [UInt8] {
        guard head.isIndefinite else { return try take(head.argument) }
        var joined: [UInt8] = []
        while try !atBreak() {
            items += 1
            guard items <= limits.items else { throw .tooManyItems(offset: offset, limit: limits.items) }
            let chunk = try self.head()
            guard chunk.major == head.major, !chunk.isIndefinite else { throw .badChunk(offset: chunk.start) }
            joined.append(contentsOf: try take(chunk.argument))
        }
        return joined
    }

    private mutating func array(_ head: Head, depth: Int) throws(CBORError) -> [CBOR] {
        var result: [CBOR] = []
        if head.isIndefinite {
            while try !atBreak() { result.append(try item(depth: depth + 1)) }
            return result
        }
        try need(head.argument)
        result.reserveCapacity(Int(min(head.argument, 1024)))
        for _ in 0..<head.argument { result.append(try item(depth: depth + 1)) }
        return result
    }

    private mutating func map(_ head: Head, depth: Int) throws(CBORError) -> [CBOR.Entry] {
        var result: [CBOR.Entry] = []
        var keys: Set<[UInt8]> = []
        if !head.isIndefinite { try need(head.argument) }
        var remaining = head.argument
        while try head.isIndefinite ? !atBreak() : remaining > 0 {
            let keyStart = offset
            let key = try item(depth: depth + 1)
            // Few keys are compared one by one; for many, a set of encodings keeps the time linear.
            if result.count == Self.fewKeys { keys = Set(result.map { $0.key.encoded() }) }
            let isNew =
                result.count < Self.fewKeys
                ? !result.contains { Self.areSame($0.key, key) } : keys.insert(key.encoded()).inserted
            guard isNew else { throw .duplicateKey(offset: keyStart) }
            result.append(CBOR.Entry(key, try item(depth: depth + 1)))
            if !head.isIndefinite { remaining -= 1 }
        }
        return result
    }

    private static let fewKeys = 16

    /// Whether two keys have the same encoding; texts that Unicode calls equivalent are not the same.
    private static func areSame(_ left: CBOR, _ right: CBOR) -> Bool {
        if case .text(let left) = left, case .text(let right) = right {
            return left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
        }
        return left.encoded() == right.encoded()
    }

    private mutating func atBreak() throws(CBORError) -> Bool {
        try need(1)
        guard bytes[offset] == 0xff else { return false }
        offset += 1
        return true
    }

    private func simple(_ head: Head) throws(CBORError) -> CBOR {
        switch head.information {
        case 20: return .bool(false)
        case 21: return .bool(true)
        case 22: return .null
        case 23: return .undefined
        case 24 where head.argument < 32: throw .reservedHead(offset: head.start, byte: bytes[head.start])
        case 25: return .float(Self.halfPrecision(UInt16(head.argument)))
        case 26: return .float(Double(Float(bitPattern: UInt32(head.argument))))
        case 27: return .float(Double(bitPattern: head.argument))
        case 31: throw .unexpectedBreak(offset: head.start)
        default: return .simple(UInt8(head.argument))
        }
    }

    /// The value of an IEEE 754 half-precision number.
    private static func halfPrecision(_ bits: UInt16) -> Double {
        let sign: Double = bits >> 15 == 1 ? -1 : 1
        let exponent = Int(bits >> 10 & 31)
        let fraction = Double(bits & 1023)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1024 + fraction) * Double(sign: .plus, exponent: exponent - 25, significand: 1)
        }
    }
}
