extension BLS12381 {
    /// y² = x³ + 4 over Fp, home of signatures.
    package enum G1: Curve {
        package typealias F = Fp

        package static let b: Fp = 4

        @inline(__always)
        package static func timesThreeB(_ a: Fp) -> Fp {
            let four = a.doubled.doubled
            return four.doubled + four
        }

        package static let generator = AffinePoint<G1>(
            x:
                0x17f1d3a73197d7942695638c4fa9ac0f_c3688c4f9774b905a14e3a3f171bac58_6c55e83ff97a1aeffb3af00adb22c6bb,
            y:
                0x08b3f481e3aaa0f1a09e30ed741d8ae4_fcf5e095d5d00af600db18cb2c04b3ed_d03cc744a2888ae40caa232946c5e7e1
        )

        /// Whether φ(P) = −x²·P for the endomorphism φ(x, y) = (βx, y), β³ = 1 (Scott: A note on group
        /// membership tests for G1, G2 and GT on BLS pairing-friendly curves, 2021).
        ///
        /// Exact: φ² + φ + 1 = 0 on the whole curve, so the test passes only if (x⁴ − x² + 1)·P = r·P = 0;
        /// on the subgroup φ acts as −x² for this one of the two primitive cube roots.
        package static func isInSubgroup(_ point: Point<G1>) -> Bool {
            let image = Point<G1>(x: point.x * cubeRootOfUnity, y: point.y, z: point.z)
            return image == -point.multiplied(byPublic: parameter).multiplied(byPublic: parameter)
        }

        private static let cubeRootOfUnity: Fp =
            0x00000000000000005f19672fdf76ce51_ba69c6076a0f77eaddb3a93be6f89688_de17d813620a00022e01fffffffefffe

        /// The point in the subgroup to which hash-to-curve takes a point of the curve: (1 − x)·P (RFC 9380,
        /// section 8.8.1).
        static func clearingCofactor(_ point: Point<G1>) -> Point<G1> {
            point.multiplied(byPublic: parameter) + point
        }
    }

    /// y² = x³ + 4(1 + u) over Fp2, home of public keys: a sextic twist of the curve of G1.
    package enum G2: Curve {
        package typealias F = Fp2

        package static let b = Fp2(4, 4)

        @inline(__always)
        package static func timesThreeB(_ a: Fp2) -> Fp2 {
            let four = a.timesXi.doubled.doubled
            return four.doubled + four
        }

        package static let generator = AffinePoint<G2>(
            x: Fp2(
                0x024aa2b2f08f0a91260805272dc51051_c6e47ad4fa403b02b4510b647ae3d177_0bac0326a805bbefd48056c8c121bdb8,
                0x13e02b6052719f607dacd3a088274f65_596bd0d09920b61ab5da61bbdc7f5049_334cf11213945d57e5ac7d055d042b7e
            ),
            y: Fp2(
                0x0ce5d527727d6e118cc9cdc6da2e351a_adfd9baa8cbdd3a76d429a695160d12c_923ac9cc3baca289e193548608b82801,
                0x0606c4a02ea734cc32acd2b02bc28b99_cb3e287e85a763af267492ab572e99ab_3f370d275cec1da1aaa9075ff05f79be
            ))

        /// Whether ψ(P) = x·P for ψ = twist⁻¹ ∘ Frobenius ∘ twist (the same paper of Scott).
        ///
        /// Exact: ψ² − (x + 1)ψ + p = 0 on the whole curve, so the test passes only if (p − x)·P = h₁r·P = 0
        /// with h₁ the cofactor of G1; and h₁ has no factor in common with the order h₂r of this curve but r.
        package static func isInSubgroup(_ point: Point<G2>) -> Bool {
            let image = Point<G2>(
                x: point.x.conjugate * twistedFrobeniusX, y: point.y.conjugate * twistedFrobeniusY,
                z: point.z.conjugate)
            return image == -point.multiplied(byPublic: parameter)
        }

        /// 1/ξ^((p−1)/3).
        private static let twistedFrobeniusX = Fp2(
            0,
            0x1a0111ea397fe699ec02408663d4de85_aa0d857d89759ad4897d29650fb85f9b_409427eb4f49fffd8bfd00000000aaad
        )

        /// 1/ξ^((p−1)/2).
        private static let twistedFrobeniusY = Fp2(
            0x135203e60180a68ee2e9c448d77a2cd9_1c3dedd930b1cf60ef396489f61eb45e_304466cf3e67fa0af1ee7b04121bdea2,
            0x06af0e0437ff400b6831e36d6bd17ffe_48395dabc2d3435e77f76e17009241c5_ee67992f72ec05f4c81084fbede3cc09
        )
    }
}
