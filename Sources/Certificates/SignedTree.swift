/// State as a subnet certified it, in bytes only: the rules of the interface specification, "Certificates", for
/// every place that checks them (tools, emulator and browser).
public struct SignedTree: Sendable {
    /// Leave of the root subnet for another subnet to sign.
    public struct Delegation: Sendable {
        public var subnet: [UInt8]
        /// An encoded certificate of the root subnet.
        public var certificate: [UInt8]

        public init(subnet: [UInt8], certificate: [UInt8]) {
            self.subnet = subnet
            self.certificate = certificate
        }
    }

    public var tree: HashTree
    public var signature: [UInt8]
    public var delegation: Delegation?

    public init(tree: HashTree, signature: [UInt8], delegation: Delegation?) {
        self.tree = tree
        self.signature = signature
        self.delegation = delegation
    }

    /// Reads a certificate.
    public init(encoded: [UInt8]) throws(CertificateFault) {
        var reader = CertificateReader(encoded)
        var tree: HashTree?
        var signature: [UInt8]?
        for _ in 0..<(try reader.map()) {
            let key = try reader.text()
            if key == Self.label("tree"), tree == nil {
                tree = try reader.tree()
            } else if key == Self.label("signature"), signature == nil {
                signature = try reader.byteString()
            } else if key == Self.label("delegation"), delegation == nil {
                delegation = try Self.delegation(&reader)
            } else {
                throw .malformed
            }
        }
        guard reader.isAtEnd, let tree, let signature, tree.isWellFormed else { throw .malformed }
        self.tree = tree
        self.signature = signature
    }

    private static func delegation(_ reader: inout CertificateReader) throws(CertificateFault) -> Delegation {
        var subnet: [UInt8]?
        var certificate: [UInt8]?
        for _ in 0..<(try reader.map()) {
            let key = try reader.text()
            if key == label("subnet_id"), subnet == nil {
                subnet = try reader.byteString()
            } else if key == label("certificate"), certificate == nil {
                certificate = try reader.byteString()
            } else {
                try reader.skip()
            }
        }
        guard let subnet, let certificate else { throw .malformed }
        return Delegation(subnet: subnet, certificate: certificate)
    }

    /// What the subnet's key signs for a state with this root hash.
    public static func signedBytes(rootHash: [UInt8]) -> [UInt8] {
        HashTree.domain("ic-state-root") + rootHash
    }

    static func label(_ text: StaticString) -> [UInt8] {
        text.withUTF8Buffer { [UInt8]($0) }
    }
}

/// How old a certificate may be, and who says what time it is.
public struct CertificateFreshness: Sendable {
    /// Nanoseconds since 1970.
    public var now: UInt64
    public var maximumAgeSeconds: UInt64
    public var maximumAgeOfDelegationSeconds: UInt64

    public init(
        now: UInt64, maximumAgeSeconds: UInt64 = 300,
        maximumAgeOfDelegationSeconds: UInt64 = 30 * 24 * 3600
    ) {
        self.now = now
        self.maximumAgeSeconds = maximumAgeSeconds
        self.maximumAgeOfDelegationSeconds = maximumAgeOfDelegationSeconds
    }
}

/// Why a certificate proves nothing.
public enum CertificateFault: Error, Equatable, Sendable {
    case malformed
    case badKey
    case badSignature
    case delegationHasDelegation
    case noSubnetKey
    case notInRange
    case noTime
    case tooOld(seconds: UInt64)
    case fromTheFuture(seconds: UInt64)
}

extension SignedTree {
    /// Checks the signature, the delegation if there is one, and the age; gives the time of certification in
    /// nanoseconds since 1970.
    ///
    /// - Parameters:
    ///   - rootKey: DER key of the root subnet, pinned by the caller.
    ///   - canister: the canister whose subnet must have signed; nil accepts any.
    ///   - freshness: nil skips the age, for certificates that are kept as proofs.
    public func verify(
        rootKey: [UInt8], canister: [UInt8]?, freshness: CertificateFreshness?
    ) throws(CertificateFault) -> UInt64 {
        try checkSignature(key: signingKey(rootKey: rootKey, canister: canister, freshness: freshness))
        let time = try time()
        if let freshness {
            try Self.check(time, now: freshness.now, maximumAgeSeconds: freshness.maximumAgeSeconds)
        }
        return time
    }

    private func checkSignature(key der: [UInt8]) throws(CertificateFault) {
        guard let key = try? BLS12381.PublicKey(der: der) else { throw .badKey }
        guard let signature = try? BLS12381.Signature(compressed: signature),
            BLS12381.verify(signature, of: Self.signedBytes(rootHash: tree.digest), by: key)
        else { throw .badSignature }
    }

    private func signingKey(
        rootKey: [UInt8], canister: [UInt8]?, freshness: CertificateFreshness?
    ) throws(CertificateFault) -> [UInt8] {
        guard let delegation else { return rootKey }
        let parent = try SignedTree(encoded: delegation.certificate)
        guard parent.delegation == nil else { throw .delegationHasDelegation }
        try parent.checkSignature(key: rootKey)
        if let freshness {
            try Self.check(
                try parent.time(), now: freshness.now,
                maximumAgeSeconds: freshness.maximumAgeOfDelegationSeconds)
        }
        if let canister, !parent.hosts(canister, subnet: delegation.subnet) { throw .notInRange }
        let path = [Self.label("subnet"), delegation.subnet, Self.label("public_key")]
        guard case .found(let key) = parent.tree.lookup(path) else { throw .noSubnetKey }
        return key
    }

    private func time() throws(CertificateFault) -> UInt64 {
        guard case .found(let bytes) = tree.lookup([Self.label("time")]),
            let time = naturalFromLEB128(bytes)
        else { throw .noTime }
        return time
    }

    private static func check(
        _ time: UInt64, now: UInt64, maximumAgeSeconds: UInt64
    ) throws(CertificateFault) {
        let second: UInt64 = 1_000_000_000
        if now > time, (now - time) / second > maximumAgeSeconds {
            throw .tooOld(seconds: (now - time) / second)
        }
        if time > now, (time - now) / second > 300 { throw .fromTheFuture(seconds: (time - now) / second) }
    }

    /// Whether the flat or the sharded ranges of a subnet in this tree contain a canister.
    private func hosts(_ canister: [UInt8], subnet: [UInt8]) -> Bool {
        let flat = [Self.label("subnet"), subnet, Self.label("canister_ranges")]
        if case .found(let ranges) = tree.lookup(flat) { return Self.contains(canister, ranges) }
        guard case .found(let shards) = tree.subtree([Self.label("canister_ranges"), subnet]) else {
            return false
        }
        for shard in shards.children {
            if case .leaf(let ranges) = shard.subtree, Self.contains(canister, ranges) { return true }
        }
        return false
    }

    private static func contains(_ canister: [UInt8], _ encodedRanges: [UInt8]) -> Bool {
        var reader = CertificateReader(encodedRanges)
        do throws(CertificateFault) {
            for _ in 0..<(try reader.array()) {
                guard try reader.array() == 2 else { return false }
                let (first, last) = (try reader.byteString(), try reader.byteString())
                if !canister.lexicographicallyPrecedes(first), !last.lexicographicallyPrecedes(canister) {
                    return true
                }
            }
        } catch {}
        return false
    }
}

/// Reads a natural number of at most 64 bits that fills `bytes`, or gives nil.
public func naturalFromLEB128(_ bytes: [UInt8]) -> UInt64? {
    guard let last = bytes.last, last < 128, bytes.count <= 10 else { return nil }
    if bytes.count == 10, last > 1 { return nil }
    var value: UInt64 = 0
    for (index, byte) in bytes.enumerated() {
        guard index == bytes.count - 1 || byte >= 128 else { return nil }
        value |= UInt64(byte & 127) << UInt64(7 * index)
    }
    return value
}
