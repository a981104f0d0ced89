/// BLS signatures over BLS12-381 with signatures in G1 (48 bytes) and public keys in G2 (96 bytes).
///
/// This is the scheme that certifies Internet Computer state: draft-irtf-cfrg-bls-signature, basic variant,
/// ciphersuite `BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_`. A signature σ on m under key P is valid when
/// e(H(m), P) = e(σ, g₂).
///
/// Every value of `PublicKey` and `Signature` is a checked point: canonical, on its curve, in the subgroup of
/// prime order and not the point at infinity. So `verify` has no error, only an answer.
///
/// **Timing.** What handles a secret (`SecretKey.init`, `publicKey`, `sign`) has no branch and no memory
/// address that depends on a secret bit: field arithmetic is straight-line, point addition is complete,
/// scalar multiplication looks its window up by a masked scan of the whole table. Reading the scalar compares
/// it with the group order, which reveals only whether it is in range. Everything about messages, signatures
/// and public keys is public and may branch. No claim is made about what an optimiser or a processor adds,
/// and Swift gives no way to be sure that a secret has been wiped from memory.
public enum BLS12381 {
    /// The domain separation tag of the ciphersuite, under which messages are hashed to G1.
    package static let tag = [UInt8]("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_".utf8)

    /// Whether `signature` was made over exactly these bytes by the holder of `publicKey`'s secret.
    public static func verify(_ signature: Signature, of message: [UInt8], by publicKey: PublicKey) -> Bool {
        guard let hashed = G1.hash(message, tag: tag).affine else { return false }
        let product = pairingProduct([(-signature.point, preparedGenerator), (hashed, publicKey.prepared)])
        return product == .one
    }

    private static let preparedGenerator = PreparedG2(G2.generator)
}
