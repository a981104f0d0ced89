import Digests

/// A hash tree of the interface specification ("Certificates"): what certified data is the root of.
indirect enum CertifiedTree {
    case empty
    case fork(CertifiedTree, CertifiedTree)
    case labeled([UInt8], CertifiedTree)
    case leaf([UInt8])
    /// A part left out; its hash.
    case pruned([UInt8])

    /// 32 bytes.
    var hash: [UInt8] {
        switch self {
        case .empty: SHA256.hash(Self.domain("ic-hashtree-empty"))
        case .fork(let left, let right): SHA256.hash(Self.domain("ic-hashtree-fork") + left.hash + right.hash)
        case .labeled(let label, let tree):
            SHA256.hash(Self.domain("ic-hashtree-labeled") + label + tree.hash)
        case .leaf(let value): SHA256.hash(Self.domain("ic-hashtree-leaf") + value)
        case .pruned(let hash): hash
        }
    }

    private static func domain(_ text: StaticString) -> [UInt8] {
        let text = bytes(of: text)
        return [UInt8(text.count)] + text
    }

    /// Unsigned LEB128, the form of numbers in the state tree.
    static func natural(_ value: UInt64) -> [UInt8] {
        var output: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return output + [UInt8(rest)]
    }

    /// The parts of one level, which must come in the order of their labels.
    static func level(_ parts: [CertifiedTree]) -> CertifiedTree {
        guard var tree = parts.last else { return .empty }
        for part in parts.dropLast().reversed() { tree = .fork(part, tree) }
        return tree
    }

    /// The same tree with every labelled part of the uppermost level pruned but the one with this label.
    func revealing(_ label: [UInt8]) -> CertifiedTree {
        switch self {
        case .fork(let left, let right): .fork(left.revealing(label), right.revealing(label))
        case .labeled(let other, let tree): other == label ? self : .labeled(other, .pruned(tree.hash))
        default: self
        }
    }

    /// CBOR, self-described (tag 55799) as certificates are.
    var encoded: [UInt8] {
        var output: [UInt8] = [0xd9, 0xd9, 0xf7]
        append(to: &output)
        return output
    }

    private func append(to output: inout [UInt8]) {
        switch self {
        case .empty: output += [0x81, 0x00]
        case .fork(let left, let right):
            output += [0x83, 0x01]
            left.append(to: &output)
            right.append(to: &output)
        case .labeled(let label, let tree):
            output += [0x83, 0x02]
            Self.append(label, to: &output)
            tree.append(to: &output)
        case .leaf(let value):
            output += [0x82, 0x03]
            Self.append(value, to: &output)
        case .pruned(let hash):
            output += [0x82, 0x04]
            Self.append(hash, to: &output)
        }
    }

    private static func append(_ bytes: [UInt8], to output: inout [UInt8]) {
        let count = bytes.count
        switch count {
        case ..<24: output.append(0x40 | UInt8(count))
        case ..<256: output += [0x58, UInt8(count)]
        case ..<65_536: output += [0x59, UInt8(count >> 8), UInt8(count & 255)]
        default:
            output.append(0x5a)
            for shift in [24, 16, 8, 0] { output.append(UInt8(truncatingIfNeeded: count >> shift)) }
        }
        output += bytes
    }
}
