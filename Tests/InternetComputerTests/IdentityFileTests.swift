import Foundation
import InternetComputer
import Testing

/// The key file: made once, private, and refused when it is not.
struct IdentityFileTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    @Test func isMadeOnceAndPrivate() throws {
        try withFolder { folder in
            let file = IdentityFile(path: folder + "/deep/identity.pem")
            #expect(try file.load() == nil)
            let (first, isNew) = try file.loadOrCreate()
            #expect(isNew)
            let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let (second, isNewAgain) = try file.loadOrCreate()
            #expect(!isNewAgain)
            #expect(second.principal == first.principal)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/deep") == ["identity.pem"])
        }
    }

    @Test(arguments: [0o640, 0o604, 0o660, 0o644])
    func refusesFilesOthersCanRead(mode: Int) throws {
        try withFolder { folder in
            let file = IdentityFile(path: folder + "/identity.pem")
            _ = try file.loadOrCreate()
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
            let error = #expect(throws: IdentityError.self) { try file.load() }
            #expect(error == .tooOpen(path: file.path, mode: UInt32(mode)))
            #expect("\(try #require(error))".contains("chmod 600"))
        }
    }

    /// The PKCS#8 forms that OpenSSL and the tools of the field write for the seed 00 01 … 1f.
    @Test(arguments: [
        "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        "MFMCAQEwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4foSMDIQADoQe/884QvmHXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
    ])
    func readsPKCS8(base64: String) throws {
        let padded = base64 + String(repeating: "=", count: (4 - base64.count % 4) % 4)
        let pem = "-----BEGIN PRIVATE KEY-----\n\(padded)\n-----END PRIVATE KEY-----\n"
        if base64.hasPrefix("MC4") {
            let identity = try Ed25519Identity(pem: pem, source: "test")
            #expect(
                identity.principal.text == "yavxl-ppty4-enezb-hcalr-cdgzv-zoexx-7od3c-urvk6-rfzs4-552ct-7ae")
            #expect(identity.pem == pem)
        }
    }

    @Test(arguments: [
        "", "hello", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
        "-----END PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----",
    ])
    func refusesOtherFiles(pem: String) {
        #expect(throws: IdentityError.self) { try Ed25519Identity(pem: pem, source: "key.pem") }
    }
}
