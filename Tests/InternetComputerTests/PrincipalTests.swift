import InternetComputer
import Testing

/// Texts and classes: vectors of the interface specification and of its reference implementations.
struct PrincipalTests {
    @Test(arguments: [
        ("", "aaaaa-aa"), ("04", "2vxsx-fae"), ("abcd01", "em77e-bvlzu-aq"),
        ("00000000000000000101", "rwlgt-iiaaa-aaaaa-aaaaa-cai"),
        ("00000000000000010101", "rrkah-fqaaa-aaaaa-aaaaq-cai"),
        ("00000000000000020101", "ryjl3-tyaaa-aaaaa-aaaba-cai"),
        (
            "f3c708d264271017110cd9ae5c4bdfee1ec548d55e89732e77ba14fe02",
            "yavxl-ppty4-enezb-hcalr-cdgzv-zoexx-7od3c-urvk6-rfzs4-552ct-7ae"
        ),
    ])
    func textForm(hex: String, text: String) throws {
        let principal = try Principal(bytes: #require(bytes(hexadecimal: hex)))
        #expect(principal.text == text)
        #expect(try Principal(text: text) == principal)
        #expect(try Principal(text: text.uppercased()) == principal)
    }

    @Test(arguments: [
        ("302a300506032b6570032100" + String(repeating: "00", count: 32),
            "ukev2-6iweo-izmyj-rdxlb-jun6n-nef5z-gk2lp-fuzke-7ghpu-jecqq-iae"),
        ("302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
            "yavxl-ppty4-enezb-hcalr-cdgzv-zoexx-7od3c-urvk6-rfzs4-552ct-7ae"),
    ])
    func selfAuthenticating(key: String, text: String) throws {
        let der = try #require(bytes(hexadecimal: key))
        #expect(Principal.selfAuthenticating(derPublicKey: der).text == text)
    }

    @Test func rootSubnetIsNamedByItsKey() {
        #expect(
            Principal.selfAuthenticating(derPublicKey: Network.mainnetRootKey).text
                == "tdb26-jop6k-aogll-7ltgs-eruif-6kk7m-qpktf-gdiqx-mxtrf-vb5e6-eqe")
    }

    @Test func canisterNumbers() {
        #expect(Principal.canister(2).text == "ryjl3-tyaaa-aaaaa-aaaba-cai")
        #expect(Principal.canister(0xffff_ffff_ffff_fffe).canisterNumber == 0xffff_ffff_ffff_fffe)
        #expect(Principal.anonymous.canisterNumber == nil)
    }

    @Test(arguments: [
        "", "a", "aaaaa", "aaaaa-ab", "rrkah-fqaaa-aaaaa-aaaaq-caj", "rrkahfqaaa-aaaaa-aaaaq-cai",
        "rrkah-fqaaa-aaaaa-aaaaq-cai-", "rrkah-fqaaa-aaaaa-aaaa1-cai", "rrkah-fqaaa-aaaaa-aaaaq-cä",
        String(repeating: "a", count: 64), "2vxsx-faf",
    ])
    func refusesTexts(text: String) {
        #expect(throws: PrincipalError.self) { try Principal(text: text) }
    }

    @Test func refusesThirtyBytes() {
        #expect(throws: PrincipalError.tooLong(bytes: 30)) {
            try Principal(bytes: [UInt8](repeating: 1, count: 30))
        }
    }

    /// Each single mistyped character of an id is noticed.
    @Test func checksumNoticesEveryTypo() throws {
        let text = Array("rrkah-fqaaa-aaaaa-aaaaq-cai")
        var tried = 0
        for index in text.indices where text[index] != "-" {
            for replacement in "abcdefghijklmnopqrstuvwxyz234567" where replacement != text[index] {
                var typo = text
                typo[index] = replacement
                #expect(throws: PrincipalError.self) { try Principal(text: String(typo)) }
                tried += 1
            }
        }
        #expect(tried == 23 * 31)
    }
}
