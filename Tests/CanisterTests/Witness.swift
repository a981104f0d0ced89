import Digests

/// A hash tree read from CBOR, with the digest of the specification computed independently of the canister's code.
indirect enum Witness {
    case empty
    case fork(Witness, Witness)
    case labeled([UInt8], Witness)
    case leaf([UInt8])
    case pruned([UInt8])

    init(_ bytes: [UInt8]) throws {
        var rest = bytes.dropFirst(3)
        self = try Witness(&rest)
        guard rest.isEmpty else { throw Fault() }
    }

    private struct Fault: Error {}

    private init(_ rest: inout ArraySlice<UInt8>) throws {
        func blob() throws -> [UInt8] {
            guard let head = rest.popFirst() else { throw Fault() }
            var count = Int(head & 31)
            if head == 0x58 { count = Int(rest.removeFirst()) }
            if head == 0x59 { count = Int(rest.removeFirst()) << 8 | Int(rest.removeFirst()) }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        let kind = Array(rest.prefix(2))
        rest = rest.dropFirst(2)
        switch kind {
        case [0x81, 0]: self = .empty
        case [0x83, 1]: self = .fork(try Witness(&rest), try Witness(&rest))
        case [0x83, 2]: self = .labeled(try blob(), try Witness(&rest))
        case [0x82, 3]: self = .leaf(try blob())
        case [0x82, 4]: self = .pruned(try blob())
        default: throw Fault()
        }
    }

    var digest: [UInt8] {
        func domain(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }
        return switch self {
        case .empty: SHA256.hash(domain("ic-hashtree-empty"))
        case .fork(let left, let right):
            SHA256.hash(domain("ic-hashtree-fork") + left.digest + right.digest)
        case .labeled(let label, let tree):
            SHA256.hash(domain("ic-hashtree-labeled") + label + tree.digest)
        case .leaf(let value): SHA256.hash(domain("ic-hashtree-leaf") + value)
        case .pruned(let hash): hash
        }
    }

    func leaf(_ path: String...) -> [UInt8]? { leaf(path.map { Array($0.utf8) }) }

    func leaf(_ path: [[UInt8]]) -> [UInt8]? {
        switch self {
        case .fork(let left, let right): left.leaf(path) ?? right.leaf(path)
        case .labeled(let label, let tree): path.first == label ? tree.leaf(Array(path.dropFirst())) : nil
        case .leaf(let value): path.isEmpty ? value : nil
        default: nil
        }
    }

    /// Every label, wherever it stands, with the number of labels above it, from left to right.
    func labels(depth: Int = 0) -> [(depth: Int, label: [UInt8])] {
        switch self {
        case .fork(let left, let right): left.labels(depth: depth) + right.labels(depth: depth)
        case .labeled(let label, let tree): [(depth, label)] + tree.labels(depth: depth + 1)
        default: []
        }
    }
}
