/// A part of a subnet's state that a verified certificate vouches for.
public struct CertifiedState: Sendable {
    public let tree: HashTree
    /// Nanoseconds since 1970.
    public let time: UInt64

    fileprivate init(tree: HashTree, time: UInt64) {
        self.tree = tree
        self.time = time
    }

    /// Looks up a path of labels.
    public func lookup(_ path: [[UInt8]]) -> HashTree.Lookup { tree.lookup(path) }
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

extension Certificate {
    /// Checks the signature, the delegation if there is one, and the age.
    ///
    /// - Parameters:
    ///   - rootKey: DER key of the root subnet, pinned by the caller.
    ///   - canister: the canister whose subnet must have signed; nil and the management canister accept any.
    ///   - freshness: nil skips the age, for certificates that are kept as proofs.
    public func verified(
        rootKey: [UInt8], canister: Principal?, freshness: CertificateFreshness?
    ) throws(CertificateError) -> CertifiedState {
        try checkSignature(key: signingKey(rootKey: rootKey, canister: canister, freshness: freshness))
        let time = try self.time
        if let freshness {
            try Self.check(time, now: freshness.now, maximumAgeSeconds: freshness.maximumAgeSeconds)
        }
        return CertifiedState(tree: tree, time: time)
    }

    private func checkSignature(key der: [UInt8]) throws(CertificateError) {
        let key: BLS12381.PublicKey
        do { key = try BLS12381.PublicKey(der: der) } catch { throw .badKey }
        guard let signature = try? BLS12381.Signature(compressed: signature),
            BLS12381.verify(signature, of: Self.signedBytes(rootHash: tree.digest), by: key)
        else { throw .badSignature }
    }

    private func signingKey(
        rootKey: [UInt8], canister: Principal?, freshness: CertificateFreshness?
    ) throws(CertificateError) -> [UInt8] {
        guard let delegation else { return rootKey }
        let parent = try Certificate(encoded: delegation.certificate)
        guard parent.delegation == nil else { throw .delegationHasDelegation }
        try parent.checkSignature(key: rootKey)
        if let freshness {
            try Self.check(
                try parent.time, now: freshness.now,
                maximumAgeSeconds: freshness.maximumAgeOfDelegationSeconds)
        }
        if let canister, canister != .managementCanister {
            guard parent.hosts(canister, subnet: delegation.subnet) else {
                throw .notInRange(canister: canister, subnet: delegation.subnet)
            }
        }
        let path = [Array("subnet".utf8), delegation.subnet.bytes, Array("public_key".utf8)]
        guard case .found(let key) = parent.tree.lookup(path) else {
            throw .noSubnetKey(subnet: delegation.subnet)
        }
        return key
    }

    private var time: UInt64 {
        get throws(CertificateError) {
            guard case .found(let bytes) = tree.lookup([Array("time".utf8)]),
                let time = naturalFromLEB128(bytes)
            else { throw .noTime }
            return time
        }
    }

    private static func check(
        _ time: UInt64, now: UInt64, maximumAgeSeconds: UInt64
    ) throws(CertificateError) {
        let second: UInt64 = 1_000_000_000
        if now > time, (now - time) / second > maximumAgeSeconds { throw .tooOld(seconds: (now - time) / second) }
        if time > now, (time - now) / second > 300 { throw .fromTheFuture(seconds: (time - now) / second) }
    }

    /// Whether the flat or the sharded ranges of a subnet in this tree contain a canister.
    private func hosts(_ canister: Principal, subnet: Principal) -> Bool {
        let flat = [Array("subnet".utf8), subnet.bytes, Array("canister_ranges".utf8)]
        if case .found(let ranges) = tree.lookup(flat) { return Self.contains(canister, ranges) }
        guard case .found(let shards) = tree.subtree([Array("canister_ranges".utf8), subnet.bytes]) else {
            return false
        }
        return shards.children.contains { shard in
            if case .leaf(let ranges) = shard.subtree { return Self.contains(canister, ranges) }
            return false
        }
    }

    private static func contains(_ canister: Principal, _ encodedRanges: [UInt8]) -> Bool {
        guard let cbor = try? CBOR.decode(encodedRanges).withoutSelfDescribedTag,
            let ranges = cbor.arrayValue
        else { return false }
        return ranges.contains { range in
            guard let ends = range.arrayValue, ends.count == 2,
                let first = ends[0].bytesValue, let last = ends[1].bytesValue
            else { return false }
            return !canister.bytes.lexicographicallyPrecedes(first)
                && !last.lexicographicallyPrecedes(canister.bytes)
        }
    }
}
