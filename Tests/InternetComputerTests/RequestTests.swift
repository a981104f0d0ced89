import InternetComputer
import Testing

/// Request ids, signatures and authentication against the vectors of the interface specification and of an
/// independent implementation in Python (hashlib, cryptography).
struct RequestTests {
    static let expiry: UInt64 = 1_685_570_400_000_000_000
    static let canister = try? Principal(bytes: [0, 0, 0, 0, 0, 0, 4, 0xd2])

    private func identity() throws -> Ed25519Identity { try Ed25519Identity(seed: Array(0..<32)) }

    private func call(sender: Principal, nonce: [UInt8]? = nil) throws -> RequestContent {
        RequestContent(
            .call(
                canister: try #require(Self.canister), method: "hello",
                argument: [0x44, 0x49, 0x44, 0x4c, 0x00, 0xfd, 0x2a]),
            sender: sender, ingressExpiry: Self.expiry, nonce: nonce)
    }

    @Test func requestIDOfTheSpecification() throws {
        #expect(
            "\(try call(sender: .anonymous).requestID)"
                == "1d1091364d6bb8a6c16b203ee75467d59ead468f523eb058880ae8ec80e2b101")
    }

    @Test func signedRequest() throws {
        let content = try call(sender: identity().principal, nonce: [1, 2, 3, 4])
        #expect("\(content.requestID)" == "e16beacd26ebca48520ff45b8883daf9eb301bac57b2e5261b32caf342fbd30d")
        // The library signs with fresh randomness, so the published signature is verified, not reproduced.
        let published = try #require(
            bytes(
                hexadecimal: "ef103ccc67858908395c330e3ec769bcc267aae9cbcf98b4eeeb00fa717e7229"
                    + "da5c6c7b372279b2892fe1ca643d80b3fbe94c1a37ef09fd6e65a3d87b4ad302"))
        var envelope = try Envelope(signing: content, by: .ed25519(identity()))
        try envelope.authenticate(now: 0)
        envelope.senderSignature = published
        try envelope.authenticate(now: 0)
    }

    @Test func readStateID() throws {
        let id = try #require(
            bytes(hexadecimal: "e16beacd26ebca48520ff45b8883daf9eb301bac57b2e5261b32caf342fbd30d"))
        let content = RequestContent(
            .readState(paths: [[Array("time".utf8)], [Array("request_status".utf8), id]]), sender: .anonymous,
            ingressExpiry: Self.expiry)
        #expect("\(content.requestID)" == "7459538fae16a18acdbbf561b6ec22c7f9aa63e61a326b3f786788c48ad629ce")
    }

    @Test func delegationHash() throws {
        let delegation = Delegation(
            publicKey: try identity().derPublicKey, expiration: Self.expiry,
            targets: [try #require(Self.canister)])
        #expect(
            hexadecimal(delegation.signedBytes.suffix(32))
                == "64dee918f3ce12d0e9a85d7ad67ee226d9bd48753ef1e3c0256e0d731e23b0ad")
        #expect(delegation.signedBytes.prefix(27) == [26] + "ic-request-auth-delegation".utf8)
    }

    @Test func queryAnswerHash() throws {
        let id = try #require(
            bytes(hexadecimal: "e16beacd26ebca48520ff45b8883daf9eb301bac57b2e5261b32caf342fbd30d"))
        let answer = CBOR.record([
            "status": .text("replied"),
            "reply": .record(["arg": .bytes([0x44, 0x49, 0x44, 0x4c, 0, 0])]),
        ])
        let signed = QueryAnswer.signedBytes(
            of: answer, timestamp: Self.expiry, requestID: RequestID(bytes: id))
        #expect(
            hexadecimal(signed.suffix(32)) == "7ed74a59565637ca5ed159559e07962950203d482509f7a6a6b5de6e262d35d4")
    }

    @Test func envelopesSurviveTheWire() throws {
        let session = Ed25519Identity()
        let delegation = Delegation(publicKey: session.derPublicKey, expiration: Self.expiry, permissions: .all)
        let signed = SignedDelegation(
            delegation: delegation, signature: try identity().sign(delegation.signedBytes))
        let delegated = Identity.delegated(
            DelegatedIdentity(publicKey: try identity().derPublicKey, delegations: [signed], session: session))
        for identity in [Identity.anonymous, .ed25519(try identity()), delegated] {
            let content = try call(sender: identity.principal, nonce: [9])
            let envelope = try Envelope(signing: content, by: identity)
            #expect(try Envelope(encoded: envelope.encoded()) == envelope)
            try Envelope(encoded: envelope.encoded()).authenticate(now: Self.expiry)
        }
    }

    /// One flipped bit anywhere in a signed envelope: refused, or what was signed is unchanged.
    @Test func noFlippedBitIsAccepted() throws {
        let envelope = try Envelope(
            signing: call(sender: identity().principal), by: .ed25519(identity()))
        let encoded = envelope.encoded()
        for index in encoded.indices {
            for bit in 0..<8 {
                var flipped = encoded
                flipped[index] ^= 1 << UInt8(bit)
                guard let other = try? Envelope(encoded: flipped) else { continue }
                guard (try? other.authenticate(now: 0)) != nil else { continue }
                #expect(other.content == envelope.content, "byte \(index), bit \(bit)")
            }
        }
        for end in 0..<encoded.count {
            #expect(throws: EnvelopeError.self) { try Envelope(encoded: Array(encoded.prefix(end))) }
        }
    }

    @Test func wrongSendersAreRefused() throws {
        let stranger = Ed25519Identity()
        var envelope = try Envelope(signing: call(sender: identity().principal), by: .ed25519(identity()))
        envelope.senderPublicKey = stranger.derPublicKey
        #expect(throws: AuthenticationError.wrongSender(
            sender: try identity().principal, key: stranger.principal)) { try envelope.authenticate(now: 0) }
        envelope.senderPublicKey = nil
        #expect(throws: AuthenticationError.incompleteSignature) { try envelope.authenticate(now: 0) }
        envelope.senderSignature = nil
        #expect(throws: AuthenticationError.unsigned(sender: try identity().principal)) {
            try envelope.authenticate(now: 0)
        }
    }

    @Test(arguments: [
        (Delegation.Permissions?.none, true, UInt64(10), true),
        (Delegation.Permissions?.some(.queries), true, UInt64(10), false),
        (Delegation.Permissions?.some(.all), false, UInt64(10), false),
        (Delegation.Permissions?.none, true, UInt64(9), false),
    ])
    func delegationsRestrict(
        permissions: Delegation.Permissions?, isTarget: Bool, expiration: UInt64, accepted: Bool
    ) throws {
        let session = Ed25519Identity()
        let delegation = Delegation(
            publicKey: session.derPublicKey, expiration: expiration,
            targets: [isTarget ? try #require(Self.canister) : .canister(7)], permissions: permissions)
        let link = SignedDelegation(
            delegation: delegation, signature: try identity().sign(delegation.signedBytes))
        let envelope = try Envelope(
            signing: call(sender: identity().principal),
            by: .delegated(
                DelegatedIdentity(
                    publicKey: identity().derPublicKey, delegations: [link], session: session)))
        if accepted {
            try envelope.authenticate(now: 10)
        } else {
            #expect(throws: AuthenticationError.self) { try envelope.authenticate(now: 10) }
        }
    }

    /// 100 days of burn, of which the freezing threshold asks for 30.
    @Test(arguments: [
        (100.0, 1.0, UInt64(2_592_000), Double?.some(70)), (10, 1, 2_592_000, 0), (100, 0, 2_592_000, nil),
        (100, 4, 0, 25),
    ])
    func daysUntilFrozen(cycles: Double, burned: Double, threshold: UInt64, days: Double?) {
        #expect(
            CanisterStatus.daysUntilFrozen(cycles: cycles, burnedPerDay: burned, thresholdSeconds: threshold) == days)
    }
}
