import Foundation
import InternetComputer
import Testing

/// Two certificates that mainnet issued, and one of our own key.
struct CertificateTests {
    static let canister = "ivg37-qiaaa-aaaab-aaaga-cai"

    /// read_state answers of 2025 (sharded ranges) and 2022 (flat ranges), base64 of the CBOR.
    static let sharded =
        "2dn3oWtjZXJ0aWZpY2F0ZVkEndnZ96NkdHJlZYMBggRYIGggFfCt97n+9jN38yJtMny1GgQdqVCk2/uMxOr9aSSJgwGCBFggbS4DqKBKL6XS7Y7q7ZGzaRxYGEdbqO8WwcgSFXQiraeDAYIEWCD7IGIfrvY1I1X2vdG+sx5xOi7okWBOQAAQnBKcfFoxdoMCRHRpbWWCA0nU1tLY6/2QvRhpc2lnbmF0dXJlWDCneMzSUnpUzC8QBqWM5FGfZts11dX+uuMseTnXERZ8EWBmZVmUxMUPLwTPX1MjGZlqZGVsZWdhdGlvbqJpc3VibmV0X2lkWB3XeyovcZm5qK7JP+b7WIZhNYzxIiPpo697TrrEAmtjZXJ0aWZpY2F0ZVkDj9nZ96JkdHJlZYMBgwGCBFggtvcLkfH+G3n5XOB0qeYNnXzCRmU8FhWGhBUNhpQuXlKDAYMCT2NhbmlzdGVyX3Jhbmdlc4MBggRYIL7VN/rSNZ3V4JEXbyN7C1rb2bmAW5lPgZ3Uodjv2nkjgwGCBFgg0BJ/GLERu1d7teqt6juW7dAZG2pOmJO+LCXUZiFcvjODAYMBggRYIPGF91GZQiEFnGs9GdOxIZEWJgtnkYt3l9zvtWjKXEvIgwGDAlgd13sqL3GZuaiuyT/m+1iGYTWM8SIj6aOve066xAKDAkoAAAAAACAAAAEBggNYG9nZ94GCSgAAAAAAIAAAAQFKAAAAAAAv//8BAYIEWCCyoNH6+KPCeKmG+GFENYPy8cqpcknrnNrHZ2YILyYpt4IEWCBNcRSNHMSM23QcKlcJo5IWPsJw8OpEDIz1nr7FqlUIIIIEWCAnCYNg8W0WqQhdTIVzpvfpWWJBRDDy8xSCf/0wGKaP14MBggRYIH6BnryaUiPpP0XrASPnn6ENo2ZSsWN+nYQliR4JnB60gwGDAkZzdWJuZXSDAYIEWCCwBy2prauSjYKRc9TzuoFUGUmcyskhJXFv6uONa8YdiYMBggRYIBqU+CZPRTdn4/xvF9ux3MoH1h1sfqGtNJNcVvxlPfHRgwGDAYIEWCCkm8YZ5G3f8SpaRaQYKu3xqHq1FPiTURR8KtyR1DRQsYMBgwJYHdd7Ki9xmbmorsk/5vtYhmE1jPEiI+mjr3tOusQCgwGCBFggICbJoatdzH9QoeZ865RZHwa0TY31qYYzaKhCW3nkfSaDAkpwdWJsaWNfa2V5ggNYhTCBgjAdBg0rBgEEAYLcfAUDAQIBBgwrBgEEAYLcfAUDAgEDYQCZM+H4noo8TX/czNvVGAieK9TYGAomHxjZwkelJ2jrzpjccyijmBSo+REIah3VDL4BXipTt794tVKIiT2qFcNGZA6IMdcqEr3t2XnShHDDSCO40cP0eV2cOYSiRxMulP6CBFgg1EHkozkdFST8VmPjYYIDIVGpLFsosKsmDy2y6YUSAdaCBFgguYojJdptmu3D2H3Pt/u6KgYMrllyRfgPI/PnaW4SS6iDAkR0aW1lggNJ6qj3jMv3kL0YaXNpZ25hdHVyZVgwge+06tFRNT/00DFaTzh18PSmPOsyMs2YyegqzbSbeg1c616DZAJkY41OlB6HruGz"
    static let flat =
        "2dn3oWtjZXJ0aWZpY2F0ZVkEH9nZ96NkdHJlZYMBgwGCBFggJQ9eJoaNnB6nqynL6cFb8cR8DXYF6APjnjdaf+CcbruDAYMCTnJlcXVlc3Rfc3RhdHVzgwGCBFggSyaCJ3dOx3/ys37LEhVzKdVM83ZpS91Z3teAPv2COG+DAlgg7a1RDqqgjtKs1HgTJOZEYmnaZ1PsF3YPIGu+gcRl/1KDAYMBgwJLcmVqZWN0X2NvZGWCA0EDgwJOcmVqZWN0X21lc3NhZ2WCA1hEQ2FuaXN0ZXIgaXZnMzctcWlhYWEtYWFhYWItYWFhZ2EtY2FpIGhhcyBubyB1cGRhdGUgbWV0aG9kICdyZWdpc3RlcieDAkZzdGF0dXOCA0hyZWplY3RlZIIEWCCXIy8x9qt8pP5T62Vo/D4CvCL+lKsx0BDl+zxkIwHxYIMBggRYIDpI0fwhPUkwcQMQT31ywrWTDtuoeHuQYx80Ozqmil8KgwJEdGltZYIDSeLck5CRxpbrFmlzaWduYXR1cmVYMImiviG1+orJ+rFSfgQTJ86JnX2pcUNqHyFlOTlHtNlCNlv+VIhxDmGmGbpIOIohsWpkZWxlZ2F0aW9uomlzdWJuZXRfaWRYHdd7Ki9xmbmorsk/5vtYhmE1jPEiI+mjr3tOusQCa2NlcnRpZmljYXRlWQIx2dn3omR0cmVlgwGCBFggrgI/KMO52WbI+wn57XVcgoqttRUuAKr3ALGMnAZylLSDAYMCRnN1Ym5ldIMBggRYIOg7sCX2V0yPMSM9wP4on/VG36Hkm9YRbdboiW2QpJRugwGCBFgg54JhkJLWnVvr8JJBOL1BFrAVa1qV4lw1jqjPfnFhpmGDAYMBggRYIGJRP6kmyanvgDrChNYg8wMYlYjh05BDSatjtkcIVvxIgwGCBFggYOmjRM7SycSpagGX/VhfLSWdvRk+Tq2lYjnKwmCH+cWDAlgd13sqL3GZuaiuyT/m+1iGYTWM8SIj6aOve066xAKDAYMCT2NhbmlzdGVyX3Jhbmdlc4IDWBvZ2feBgkoAAAAAACAAAAEBSgAAAAAAL///AQGDAkpwdWJsaWNfa2V5ggNYhTCBgjAdBg0rBgEEAYLcfAUDAQIBBgwrBgEEAYLcfAUDAgEDYQCZM+H4noo8TX/czNvVGAieK9TYGAomHxjZwkelJ2jrzpjccyijmBSo+REIah3VDL4BXipTt794tVKIiT2qFcNGZA6IMdcqEr3t2XnShHDDSCO40cP0eV2cOYSiRxMulP6CBFggmW8Xu5Jr4zFXRd6nKCAFp5O1jnav611D0aKM4p0tFYWDAkR0aW1lggNJlbiqwOTtouoWaXNpZ25hdHVyZVgwrOn83ZvJd+BdYyj4idxOfJkRTHN6SUZTyyeh9VwG9FVeDxYJgK9erQmKzBlQELL3"

    static func certificate(_ base64: String) throws -> [UInt8] {
        let body = Array(try #require(Data(base64Encoded: base64)))
        return try #require(try CBOR.decode(body).withoutSelfDescribedTag["certificate"]?.bytesValue)
    }

    @Test(arguments: [
        (CertificateTests.sharded, UInt64(1_763_796_896_688_941_908)),
        (CertificateTests.flat, UInt64(1_645_601_880_652_705_378)),
    ])
    func mainnetCertificates(base64: String, time: UInt64) throws {
        let certificate = try Certificate(encoded: Self.certificate(base64))
        let state = try certificate.verified(
            rootKey: Network.mainnetRootKey, canister: Principal(text: Self.canister),
            freshness: CertificateFreshness(now: time + 299_000_000_000))
        #expect(state.time == time)
        #expect(throws: CertificateError.notInRange(
            canister: .canister(0), subnet: try #require(certificate.delegation).subnet)) {
            try certificate.verified(
                rootKey: Network.mainnetRootKey, canister: .canister(0), freshness: nil)
        }
        #expect(throws: CertificateError.tooOld(seconds: 301)) {
            try certificate.verified(
                rootKey: Network.mainnetRootKey, canister: nil,
                freshness: CertificateFreshness(now: time + 301_000_000_000))
        }
    }

    @Test func rejectionOf2022() throws {
        let state = try Certificate(encoded: Self.certificate(Self.flat)).verified(
            rootKey: Network.mainnetRootKey, canister: Principal(text: Self.canister), freshness: nil)
        let request = try #require(
            bytes(hexadecimal: "edad510eaaa08ed2acd4781324e6446269da6753ec17760f206bbe81c465ff52"))
        func value(_ name: String) -> HashTree.Lookup {
            state.lookup([Array("request_status".utf8), request, Array(name.utf8)])
        }
        #expect(value("status") == .found(Array("rejected".utf8)))
        #expect(value("reject_code") == .found([3]))
        #expect(value("reply") == .absent)
    }

    /// Flipped bytes all over a mainnet certificate: not one is verified as something else.
    @Test func tamperedCertificatesAreRefused() throws {
        let encoded = try Self.certificate(Self.sharded)
        let original = try Certificate(encoded: encoded)
        var verified = 0
        for index in stride(from: 0, to: encoded.count, by: 31) {
            var flipped = encoded
            flipped[index] ^= 0x01
            guard let certificate = try? Certificate(encoded: flipped),
                (try? certificate.verified(
                    rootKey: Network.mainnetRootKey, canister: Principal(text: Self.canister), freshness: nil))
                    != nil
            else { continue }
            verified += 1
            #expect(certificate == original, "byte \(index)")
        }
        #expect(verified == 0)
    }

    @Test func ownCertificate() throws {
        let key = try BLS12381.SecretKey(bytes: Array(0..<32))
        let tree = HashTree.level([
            .labeled(Array("a".utf8), .leaf([1])), .labeled(Array("time".utf8), .leaf([0x80, 0x01])),
        ])
        let encoded = Certificate(signing: tree, with: key).encoded()
        let state = try Certificate(encoded: encoded).verified(
            rootKey: key.publicKey.der, canister: .canister(3), freshness: nil)
        #expect(state.time == 128)
        #expect(state.lookup([Array("a".utf8)]) == .found([1]))
        #expect(throws: CertificateError.badSignature) {
            try Certificate(encoded: encoded).verified(
                rootKey: Network.mainnetRootKey, canister: nil, freshness: nil)
        }
        #expect(
            Principal.selfAuthenticating(derPublicKey: key.publicKey.der).text
                == "nmvb2-ba3k3-mtrbz-j3k3g-kk6iu-5cmg7-geimz-4fx35-pe3xo-pjsti-4ae")
    }
}
