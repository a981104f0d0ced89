import Emulator
import Foundation
import Testing

/// The folder of an emulator: one process at a time, and keys that stay.
struct StateDirectoryTests {
    private func withFolder(_ body: (StateDirectory) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(StateDirectory(path: path))
    }

    @Test func isHeldOnce() throws {
        try withFolder { directory in
            #expect(!directory.isHeld)
            let record = StateDirectory.Record(
                processID: 42, host: "127.0.0.1", port: 4943, rootKey: "00", startedAt: 7)
            do {
                let lock = try directory.acquire()
                try directory.write(record)
                #expect(directory.running == record)
                #expect(throws: EmulatorStartError.stateInUse(directory: directory.url.path, process: 42)) {
                    try directory.acquire()
                }
                withExtendedLifetime(lock) {}
            }
            // A record that a killed process left behind means nothing.
            #expect(directory.running == nil)
            _ = try directory.acquire()
        }
    }

    @Test func keysAreMadeOnceAndPrivate() throws {
        try withFolder { directory in
            let first = try ReplicaKeys.loadOrCreate(stateDirectory: directory.url)
            let second = try ReplicaKeys.loadOrCreate(stateDirectory: directory.url)
            #expect(first.rootKey == second.rootKey)
            #expect(first.nodeID == second.nodeID)
            for name in ["subnet.key", "node.pem"] {
                let path = directory.url.appendingPathComponent(name).path
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode == 0o600)
            }
        }
    }
}
