/// State as a subnet certified it, before anybody has checked that (interface specification, "Certificates").
///
/// `verified` is the only way from here to a `CertifiedState`, which answers questions.
public struct Certificate: Equatable, Sendable {
    /// Leave of the root subnet for another subnet to sign.
    public struct SubnetDelegation: Equatable, Sendable {
        public var subnet: Principal
        /// An encoded certificate of the root subnet.
        public var certificate: [UInt8]

        public init(subnet: Principal, certificate: [UInt8]) {
            self.subnet = subnet
            self.certificate = certificate
        }
    }

    public var tree: HashTree
    public var signature: [UInt8]
    public var delegation: SubnetDelegation?

    public init(tree: HashTree, signature: [UInt8], delegation: SubnetDelegation? = nil) {
        self.tree = tree
        self.signature = signature
        self.delegation = delegation
    }

    /// What the subnet's key signs for a state with this root hash.
    public static func signedBytes(rootHash: [UInt8]) -> [UInt8] {
        SignedTree.signedBytes(rootHash: rootHash)
    }

    /// The certificate of a root subnet with this key.
    public init(signing tree: HashTree, with key: BLS12381.SecretKey) {
        self.init(tree: tree, signature: key.sign(Self.signedBytes(rootHash: tree.digest)).compressed)
    }

    /// Self-described CBOR.
    public func encoded() -> [UInt8] {
        var fields: [CBOR.Entry] = [
            .init(.text("tree"), tree.cbor), .init(.text("signature"), .bytes(signature)),
        ]
        if let delegation {
            fields.append(
                .init(
                    .text("delegation"),
                    .record([
                        "subnet_id": .bytes(delegation.subnet.bytes),
                        "certificate": .bytes(delegation.certificate),
                    ])))
        }
        return CBOR.map(fields).encoded(selfDescribed: true)
    }

    public init(encoded: [UInt8]) throws(CertificateError) {
        let cbor: CBOR
        do { cbor = try CBOR.decode(encoded).withoutSelfDescribedTag } catch { throw .cbor(error) }
        guard let tree = cbor["tree"], let signature = cbor["signature"]?.bytesValue else { throw .malformed }
        do { self.tree = try HashTree(cbor: tree) } catch { throw .malformed }
        guard self.tree.isWellFormed else { throw .malformed }
        self.signature = signature
        guard let delegation = cbor["delegation"], delegation != .null else { return }
        guard let subnet = delegation["subnet_id"]?.bytesValue,
            let certificate = delegation["certificate"]?.bytesValue,
            let subnet = try? Principal(bytes: subnet)
        else { throw .malformed }
        self.delegation = SubnetDelegation(subnet: subnet, certificate: certificate)
    }
}

/// Why a certificate proves nothing.
public enum CertificateError: Error, Equatable, Sendable, CustomStringConvertible {
    case cbor(CBORError)
    case malformed
    case badKey
    case badSignature
    case delegationHasDelegation
    case noSubnetKey(subnet: Principal)
    case notInRange(canister: Principal, subnet: Principal)
    case noTime
    case tooOld(seconds: UInt64)
    case fromTheFuture(seconds: UInt64)

    public var description: String {
        switch self {
        case .cbor(let error): "the certificate cannot be read: \(error)"
        case .malformed: "the certificate cannot be read: a part is missing or has the wrong shape"
        case .badKey: "the certificate cannot be verified: the subnet's public key is not a valid one"
        case .badSignature: "the certificate is not signed by the expected key"
        case .delegationHasDelegation:
            "the certificate's delegation rests on another delegation, which is not allowed"
        case .noSubnetKey(let subnet): "the certificate's delegation does not show the key of subnet \(subnet)"
        case .notInRange(let canister, let subnet):
            "the certificate comes from subnet \(subnet), which does not host canister \(canister)"
        case .noTime: "the certificate does not show its time"
        case .tooOld(let seconds): "the certificate is \(seconds) seconds old: is this machine's clock right?"
        case .fromTheFuture(let seconds):
            "the certificate is \(seconds) seconds ahead of this machine: is its clock right?"
        }
    }
}
