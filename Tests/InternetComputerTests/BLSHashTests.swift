import InternetComputer
import Testing

/// RFC 9380, appendices J.9.1 (BLS12381G1_XMD:SHA-256_SSWU_RO_) and K.1, K.2 (expand_message_xmd with
/// SHA-256).
@Suite struct BLSHashTests {
    static let messages = [
        "", "abc", "abcdef0123456789", "q128_" + String(repeating: "q", count: 128),
        "a512_" + String(repeating: "a", count: 512),
    ]

    static let points = [
        (
            "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1",
            "08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265"
        ),
        (
            "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903",
            "0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d"
        ),
        (
            "11e0b079dea29a68f0383ee94fed1b940995272407e3bb916bbf268c263ddd57a6a27200a784cbc248e84f357ce82d98",
            "03a87ae2caf14e8ee52e51fa2ed8eefe80f02457004ba4d486d6aa1f517c0889501dc7413753f9599b099ebcbbd2d709"
        ),
        (
            "15f68eaa693b95ccb85215dc65fa81038d69629f70aeee0d0f677cf22285e7bf58d7cb86eefe8f2e9bc3f8cb84fac488",
            "1807a1d50c29f430b8cafc4f8638dfeeadf51211e1602a5f184443076715f91bb90a48ba1e370edce6ae1062f5e6dd38"
        ),
        (
            "082aabae8b7dedb0e78aeb619ad3bfd9277a2f77ba7fad20ef6aabdc6c31d19ba5a6d12283553294c1825c4b3ca2dcfe",
            "05b84ae5a942248eea39e1d91030458c40153f3b654ab7872d779ad1e942856a20c438e8d99bc8abfbf74729ce1f7ac8"
        ),
    ]

    @Test(arguments: zip(messages, points))
    func messagesHashToThePointsOfTheStandard(message: String, point: (x: String, y: String)) throws {
        let tag = [UInt8]("QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_".utf8)
        let hashed = try #require(BLS12381.G1.hash([UInt8](message.utf8), tag: tag).affine)
        #expect(hashed.x.bigEndian == [UInt8](blsHex: point.x))
        #expect(hashed.y.bigEndian == [UInt8](blsHex: point.y))
        #expect(BLS12381.G1.isInSubgroup(BLS12381.Point(hashed)))
    }

    /// The intermediate values of the standard for the message "abc".
    @Test func fieldElementsMapToThePointsOfTheStandard() throws {
        let u: BLS12381.Fp =
            0x0d921c33f2bad966478a03ca35d05719_bdf92d347557ea166e5bba579eea9b83_e9afa5c088573c2281410369fbd32951
        let mapped = try #require(BLS12381.G1.map(u).affine)
        #expect(
            mapped.x
                == 0x125435adce8e1cbd1c803e7123f45392_dc6e326d292499c2c45c5865985fd74f_e8f042ecdeeec5ecac80680d04317d80
        )
        #expect(
            mapped.y
                == 0x0e8828948c989126595ee30e4f7c931c_bd6f4570735624fd25aef2fa41d3f79c_fb4b4ee7b7e55a8ce013af2a5ba20bf2
        )
    }

    /// A seeded sample stays on the curve, and so do 0 and ±√(−1/11), for which the map has a special case.
    @Test func theMapStaysOnTheCurve() throws {
        let special = try #require((-(11 as BLS12381.Fp).inverse).squareRoot)
        var random = BLSRandom(state: 31)
        for u in [.zero, special, .one] + (0..<50).map({ _ in random.fp() }) {
            let point = BLS12381.G1.map(u)
            #expect(point.affine?.isOnCurve == true)
            #expect(BLS12381.G1.map(-u) == -point || u.isZero)
        }
    }

    /// Elements that map to roots of the isogeny's denominators, found by factoring those outside this
    /// project.
    @Test(
        arguments: [
            "146850b3bdc2495ed73bb803dfaa951a88abff0acb5c7aeac52b48f3c808e87ce3885b98ce916e17caef21a6cbc6b598",
            "0ec1d2551f80abe70136a7f42e52133ebddf9b619a88147ae422a98e57581f2b0961dc019c74599f12a1b5513649a2e8",
            "1377c0192d99508a317127abf17c64205c7aad448380027efb47ae73ea231dbd6ecd3f2841b63d309c35bb8fd13e48f0",
            "0a2605e5991fcf3e63728a7a1468d79bacaa5f23f3816aadcd38efdd330c6d4f5bbf450f92156e0e23e16e3252bcd042",
        ])
    func theKernelOfTheIsogenyMapsToInfinity(element: String) throws {
        let u = try #require(BLS12381.Fp(bigEndian: [UInt8](blsHex: element)[...]))
        let generator = BLS12381.Point(BLS12381.G1.generator)
        for point in [BLS12381.G1.map(u), BLS12381.G1.map(-u)] {
            #expect(point.isInfinity)
            #expect(point + generator == generator)
        }
    }

    static let shortTag = "QUUX-V01-CS02-with-expander-SHA256-128"
    static let longTag = shortTag + "-long-DST-" + String(repeating: "1", count: 208)

    static let expansions: [(tag: String, message: Int, bytes: String)] = [
        (shortTag, 0, "68a985b87eb6b46952128911f2a4412bbc302a9d759667f87f7a21d803f07235"),
        (shortTag, 1, "d8ccab23b5985ccea865c6c97b6e5b8350e794e603b4b97902f53a8a0d605615"),
        (shortTag, 2, "eff31487c770a893cfb36f912fbfcbff40d5661771ca4b2cb4eafe524333f5c1"),
        (shortTag, 3, "b23a1d2b4d97b2ef7785562a7e8bac7eed54ed6e97e29aa51bfe3f12ddad1ff9"),
        (shortTag, 4, "4623227bcc01293b8c130bf771da8c298dede7383243dc0993d2d94823958c4c"),
        (longTag, 0, "e8dc0c8b686b7ef2074086fbdd2f30e3f8bfbd3bdf177f73f04b97ce618a3ed3"),
        (longTag, 1, "52dbf4f36cf560fca57dedec2ad924ee9c266341d8f3d6afe5171733b16bbb12"),
        (longTag, 2, "35387dcf22618f3728e6c686490f8b431f76550b0b2c61cbc1ce7001536f4521"),
        (longTag, 3, "01b637612bb18e840028be900a833a74414140dde0c4754c198532c3a0ba42bc"),
        (longTag, 4, "20cce7033cabc5460743180be6fa8aac5a103f56d481cf369a8accc0c374431b"),
        (
            shortTag, 1,
            """
            abba86a6129e366fc877aab32fc4ffc70120d8996c88aee2fe4b32d6c7b6437a647e6c3163d40b76a73cf6a5674ef1d8
            90f95b664ee0afa5359a5c4e07985635bbecbac65d747d3d2da7ec2b8221b17b0ca9dc8a1ac1c07ea6a1e60583e2cb00
            058e77b7b72a298425cd1b941ad4ec65e8afc50303a22c0f99b0509b4c895f40
            """
        ),
        (
            longTag, 1,
            """
            1a30a5e36fbdb87077552b9d18b9f0aee16e80181d5b951d0471d55b66684914aef87dbb3626eaabf5ded8cd0686567e
            503853e5c84c259ba0efc37f71c839da2129fe81afdaec7fbdc0ccd4c794727a17c0d20ff0ea55e1389d6982d1241cb8
            d165762dbc39fb0cee4474d2cbbd468a835ae5b2f20e4f959f56ab24cd6fe267
            """
        ),
    ]

    @Test(arguments: expansions)
    func messagesExpandToTheBytesOfTheStandard(tag: String, message: Int, bytes: String) {
        let expected = [UInt8](blsHex: bytes)
        let expanded = BLS12381.expandMessage(
            [UInt8](Self.messages[message].utf8), tag: [UInt8](tag.utf8), byteCount: expected.count)
        #expect(expanded == expected)
    }
}
