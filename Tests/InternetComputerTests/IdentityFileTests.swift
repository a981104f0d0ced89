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

    /// PKCS#8 version 1, and version 2 with the public key behind it in the two ways found in the field.
    @Test(arguments: [
        ("302e020100", ""), ("3051020101", "812100"), ("3053020101", "a123032100"),
    ])
    func readsPKCS8(head: String, keyHead: String) throws {
        let seed = (0..<32).map { UInt8($0) }
        let expected = try Ed25519Identity(seed: seed)
        let key = keyHead.isEmpty ? "" : keyHead + hexadecimal(expected.rawPublicKey)
        let der = try #require(bytes(hexadecimal: head + "300506032b657004220420" + hexadecimal(seed) + key))
        let pem = "-----BEGIN PRIVATE KEY-----\n\(Data(der).base64EncodedString())\n-----END PRIVATE KEY-----\n"
        let identity = try Ed25519Identity(pem: pem, source: "test")
        #expect(identity.principal == expected.principal)
        #expect((identity.pem == pem) == keyHead.isEmpty)
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
