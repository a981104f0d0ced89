/// What a canister vouches for about a sender that it signs for
/// (interface specification, "Authentication", field `sender_info`).
public struct SenderInfo: Equatable, Sendable {
    /// Bytes that the called canister may read.
    public var info: [UInt8]
    /// The canister that signed.
    public var signer: Principal
    /// A canister signature over the separator "ic-sender-info" and `info`.
    public var signature: [UInt8]

    public init(info: [UInt8], signer: Principal, signature: [UInt8]) {
        self.info = info
        self.signer = signer
        self.signature = signature
    }

    public var cbor: CBOR {
        .record(["info": .bytes(info), "signer": .bytes(signer.bytes), "sig": .bytes(signature)])
    }

    init(cbor: CBOR) throws(EnvelopeError) {
        guard let info = cbor["info"]?.bytesValue, let signer = cbor["signer"]?.bytesValue,
            let signature = cbor["sig"]?.bytesValue
        else { throw .missingField("sender_info") }
        self.init(info: info, signer: try RequestContent.principal(signer, field: "signer"), signature: signature)
    }

    /// Throws unless the sender's key is one of the signer's and signed `info`.
    func verify(sender derPublicKey: [UInt8], rootKey: [UInt8]?) throws(AuthenticationError) {
        guard case .canister(signer, _) = try PublicKeyScheme(der: derPublicKey) else { throw .senderInfo }
        try SignatureVerification.verify(
            signature, of: HashTree.domain("ic-sender-info") + info, by: derPublicKey, rootKey: rootKey)
    }
}
