extension BLS12381 {
    /// The curve y² = x³ + A·x + B to which field elements are mapped, and its 11-isogeny to the curve of G1
    /// (RFC 9380, sections 8.8.1 and E.2).
    enum Isogeny {
        private static let a: Fp =
            0x00144698a3b8e9433d693a02c96d4982_b0ea985383ee66a8d8e8981aefd881ac_98936f8da0e0f97f5cf428082d584c1d
        private static let b: Fp =
            0x12e2908d11688030018b12e8753eee3b_2016c1f0f24f4070a0b9c14fcef35ef5_5a23215a316ceaa5d1cc48e98e172be0
        private static let z: Fp = 11
        private static let squareRootOfMinusZ: Fp =
            0x04610e003bd3ac94dfa9246c390d7a78_942602029175a4ca366d601f33f3946e_3ed39794735c38315d874bc1d70637c3

        /// A point of the isogenous curve, its abscissa as a fraction (RFC 9380, section 6.6.2 with the
        /// straight-line form of F.2; the square root of a ratio is F.2.1.2, for p ≡ 3 mod 4).
        static func simplifiedMap(_ u: Fp) -> (numerator: Fp, denominator: Fp, y: Fp) {
            let zuu = z * u.squared
            let sum = zuu.squared + zuu
            var numerator = b * (sum + .one)
            let denominator = a * (sum.isZero ? z : -sum)
            // g(x) = gNumerator / denominator³
            let denominator2 = denominator.squared
            let denominator3 = denominator2 * denominator
            let gNumerator = (numerator.squared + a * denominator2) * numerator + b * denominator3

            let product = gNumerator * denominator3
            var y = (denominator3.squared * product).rootExponentPower * product
            if y.squared * denominator3 != gNumerator {
                // g(x) is no square; then g(Z·u²·x) = Z³·u⁶·g(x) is one.
                y = y * squareRootOfMinusZ * zuu * u
                numerator = numerator * zuu
            }
            return (numerator, denominator, u.isOdd == y.isOdd ? y : -y)
        }

        /// The image under the isogeny; the kernel goes to infinity.
        static func image(numerator: Fp, denominator: Fp, y: Fp) -> Point<G1> {
            func evaluate(_ coefficients: [Fp]) -> Fp {
                var result = coefficients[coefficients.count - 1]
                var power = Fp.one
                for coefficient in coefficients.dropLast().reversed() {
                    power = power * denominator
                    result = result * numerator + coefficient * power
                }
                return result
            }
            // Each value carries the power of the denominator that is its degree: 11, 10, 15 and 15.
            let xTop = evaluate(xNumerator)
            let xBottom = evaluate(xDenominator) * denominator
            let yTop = evaluate(yNumerator) * y
            let yBottom = evaluate(yDenominator)
            let scale = xBottom * yBottom
            return scale.isZero ? .infinity : Point(x: xTop * yBottom, y: yTop * xBottom, z: scale)
        }
    }
}

extension BLS12381.Isogeny {
    // Coefficients of RFC 9380, section E.2, that of degree 0 first; the denominators end in 1.

    private static let xNumerator: [BLS12381.Fp] = [
        0x11a05f2b1e833340b809101dd9981585_6b303e88a2d7005ff2627b56cdb4e2c8_5610c2d5f2e62d6eaeac1662734649b7,
        0x17294ed3e943ab2f0588bab22147a81c_7c17e75b2f6a8417f565e33c70d1e86b_4838f2a6f318c356e834eef1b3cb83bb,
        0x0d54005db97678ec1d1048c5d10a9a1b_ce032473295983e56878e501ec68e25c_958c3e3d2a09729fe0179f9dac9edcb0,
        0x1778e7166fcc6db74e0609d307e55412_d7f5e4656a8dbf25f1b33289f1b33083_5336e25ce3107193c5b388641d9b6861,
        0x0e99726a3199f4436642b4b3e4118e54_99db995a1257fb3f086eeb65982fac18_985a286f301e77c451154ce9ac8895d9,
        0x1630c3250d7313ff01d1201bf7a74ab5_db3cb17dd952799b9ed3ab9097e68f90_a0870d2dcae73d19cd13c1c66f652983,
        0x0d6ed6553fe44d296a3726c38ae652bf_b11586264f0f8ce19008e218f9c86b2a_8da25128c1052ecaddd7f225a139ed84,
        0x17b81e7701abdbe2e8743884d1117e53_356de5ab275b4db1a682c62ef0f27533_39b7c8f8c8f475af9ccb5618e3f0c88e,
        0x080d3cf1f9a78fc47b90b33563be990d_c43b756ce79f5574a2c596c928c5d1de_4fa295f296b74e956d71986a8497e317,
        0x169b1f8e1bcfa7c42e0c37515d138f22_dd2ecb803a0c5c99676314baf4bb1b7f_a3190b2edc0327797f241067be390c9e,
        0x10321da079ce07e272d8ec09d2565b0d_fa7dccdde6787f96d50af36003b14866_f69b771f8c285decca67df3f1605fb7b,
        0x06e08c248e260e70bd1e962381edee3d_31d79d7e22c837bc23c0bf1bc24c6b68_c24b1b80b64d391fa9c8ba2e8ba2d229,
    ]

    private static let xDenominator: [BLS12381.Fp] = [
        0x08ca8d548cff19ae18b2e62f4bd3fa6f_01d5ef4ba35b48ba9c9588617fc8ac62_b558d681be343df8993cf9fa40d21b1c,
        0x12561a5deb559c4348b4711298e53636_7041e8ca0cf0800c0126c2588c48bf57_13daa8846cb026e9e5c8276ec82b3bff,
        0x0b2962fe57a3225e8137e629bff2991f_6f89416f5a718cd1fca64e00b11aceac_d6a3d0967c94fedcfcc239ba5cb83e19,
        0x03425581a58ae2fec83aafef7c40eb54_5b08243f16b1655154cca8abc28d6fd0_4976d5243eecf5c4130de8938dc62cd8,
        0x13a8e162022914a80a6f1d5f43e7a07d_ffdfc759a12062bb8d6b44e833b306da_9bd29ba81f35781d539d395b3532a21e,
        0x0e7355f8e4e667b955390f7f0506c6e9_395735e9ce9cad4d0a43bcef24b8982f_7400d24bc4228f11c02df9a29f6304a5,
        0x0772caacf16936190f3e0c63e0596721_570f5799af53a1894e2e073062aede9c_ea73b3538f0de06cec2574496ee84a3a,
        0x14a7ac2a9d64a8b230b3f5b074cf0199_6e7f63c21bca68a81996e1cdf9822c58_0fa5b9489d11e2d311f7d99bbdcc5a5e,
        0x0a10ecf6ada54f825e920b3dafc7a3cc_e07f8d1d7161366b74100da67f398835_03826692abba43704776ec3a79a1d641,
        0x095fc13ab9e92ad4476d6e3eb3a56680_f682b4ee96f7d03776df533978f31c15_93174e4b4b7865002d6384d168ecdd0a,
        0x00000000000000000000000000000000_00000000000000000000000000000000_00000000000000000000000000000001,
    ]

    private static let yNumerator: [BLS12381.Fp] = [
        0x090d97c81ba24ee0259d1f094980dcfa_11ad138e48a869522b52af6c956543d3_cd0c7aee9b3ba3c2be9845719707bb33,
        0x134996a104ee5811d51036d776fb4683_1223e96c254f383d0f906343eb67ad34_d6c56711962fa8bfe097e75a2e41c696,
        0x00cc786baa966e66f4a384c86a3b4994_2552e2d658a31ce2c344be4b91400da7_d26d521628b00523b8dfe240c72de1f6,
        0x01f86376e8981c217898751ad8746757_d42aa7b90eeb791c09e4a3ec03251cf9_de405aba9ec61deca6355c77b0e5f4cb,
        0x08cc03fdefe0ff135caf4fe2a21529c4_195536fbe3ce50b879833fd221351adc_2ee7f8dc099040a841b6daecf2e8fedb,
        0x16603fca40634b6a2211e11db8f0a6a0_74a7d0d4afadb7bd76505c3d3ad5544e_203f6326c95a807299b23ab13633a5f0,
        0x04ab0b9bcfac1bbcb2c977d027796b3c_e75bb8ca2be184cb5231413c4d634f37_47a87ac2460f415ec961f8855fe9d6f2,
        0x0987c8d5333ab86fde9926bd2ca6c674_170a05bfe3bdd81ffd038da6c26c8426_42f64550fedfe935a15e4ca31870fb29,
        0x09fc4018bd96684be88c9e221e4da1bb_8f3abd16679dc26c1e8b6e6a1f20cabe_69d65201c78607a360370e577bdba587,
        0x0e1bba7a1186bdb5223abde7ada14a23_c42a0ca7915af6fe06985e7ed1e4d43b_9b3f7055dd4eba6f2bafaaebca731c30,
        0x19713e47937cd1be0dfd0b8f1d43fb93_cd2fcbcb6caf493fd1183e416389e610_31bf3a5cce3fbafce813711ad011c132,
        0x18b46a908f36f6deb918c143fed2edcc_523559b8aaf0c2462e6bfe7f911f6432_49d9cdf41b44d606ce07c8a4d0074d8e,
        0x0b182cac101b9399d155096004f53f44_7aa7b12a3426b08ec02710e807b4633f_06c851c1919211f20d4c04f00b971ef8,
        0x0245a394ad1eca9b72fc00ae7be315dc_757b3b080d4c158013e6632d3c40659c_c6cf90ad1c232a6442d9d3f5db980133,
        0x05c129645e44cf1102a159f748c4a3fc_5e673d81d7e86568d9ab0f5d396a7ce4_6ba1049b6579afb7866b1e715475224b,
        0x15e6be4e990f03ce4ea50b3b42df2eb5_cb181d8f84965a3957add4fa95af01b2_b665027efec01c7704b456be69c8b604,
    ]

    private static let yDenominator: [BLS12381.Fp] = [
        0x16112c4c3a9c98b252181140fad0eae9_601a6de578980be6eec3232b5be72e7a_07f3688ef60c206d01479253b03663c1,
        0x1962d75c2381201e1a0cbd6c43c348b8_85c84ff731c4d59ca4a10356f453e01f_78a4260763529e3532f6102c2e49a03d,
        0x058df3306640da276faaae7d6e8eb157_78c4855551ae7f310c35a5dd279cd2ec_a6757cd636f96f891e2538b53dbf67f2,
        0x16b7d288798e5395f20d23bf89edb4d1_d115c5dbddbcd30e123da489e726af41_727364f2c28297ada8d26d98445f5416,
        0x0be0e079545f43e4b00cc912f8228ddc_c6d19c9f0f69bbb0542eda0fc9dec916_a20b15dc0fd2ededda39142311a5001d,
        0x08d9e5297186db2d9fb266eaac783182_b70152c65550d881c5ecd87b6f0f5a64_49f38db9dfa9cce202c6477faaf9b7ac,
        0x166007c08a99db2fc3ba8734ace9824b_5eecfdfa8d0cf8ef5dd365bc400a0051_d5fa9c01a58b1fb93d1a1399126a775c,
        0x16a3ef08be3ea7ea03bcddfabba6ff6e_e5a4375efa1f4fd7feb34fd206357132_b920f5b00801dee460ee415a15812ed9,
        0x1866c8ed336c61231a1be54fd1d74cc4_f9fb0ce4c6af5920abc5750c4bf39b48_52cfe2f7bb9248836b233d9d55535d4a,
        0x167a55cda70a6e1cea820597d94a8490_3216f763e13d87bb5308592e7ea7d4fb_c7385ea3d529b35e346ef48bb8913f55,
        0x04d2f259eea405bd48f010a01ad2911d_9c6dd039bb61a6290e591b36e636a5c8_71a5c29f4f83060400f8b49cba8f6aa8,
        0x0accbb67481d033ff5852c1e48c50c47_7f94ff8aefce42d28c0f9a88cea79135_16f968986f7ebbea9684b529e2561092,
        0x0ad6b9514c767fe3c3613144b45f1496_543346d98adf02267d5ceef9a00d9b86_93000763e3b90ac11e99b138573345cc,
        0x02660400eb2e4f3b628bdd0d53cd76f2_bf565b94e72927c1cb748df27942480e_420517bd8714cc80d1fadc1326ed06f7,
        0x0e0fa1d816ddc03e6b24255e0d7819c1_71c40f65e273b853324efcd6356caa20_5ca2f570f13497804415473a1d634b8f,
        0x00000000000000000000000000000000_00000000000000000000000000000000_00000000000000000000000000000001,
    ]
}
