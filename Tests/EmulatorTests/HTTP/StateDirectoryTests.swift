import Emulator
import Foundation
import InternetComputer
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

    // MARK: The folder as a whole

    private func names(_ url: URL) -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: url.path).sorted()) ?? [] }

    private func withState(_ body: (StateDirectory, Principal) async throws -> Void) async throws {
        try await StateStoreTests.withDirectory { root in
            let directory = StateDirectory(path: root.appendingPathComponent("state").path)
            _ = try ReplicaKeys.loadOrCreate(stateDirectory: {
                try FileManager.default.createDirectory(at: directory.url, withIntermediateDirectories: true)
                return directory.url
            }())
            let net = try SubnetHarness(directory: directory.url)
            let id = try await net.create(TestModules.consistent)
            for _ in 0..<3 { try await net.update(id, "bump") }
            _ = try await net.on(id, "take_canister_snapshot")
            await net.subnet.shutdown()
            try await body(directory, id)
        }
    }

    private func value(_ directory: StateDirectory, _ id: Principal, bumps: Int = 0, first: UInt64) async throws -> UInt32 {
        let net = try SubnetHarness(directory: directory.url, first: first)
        for _ in 0..<bumps { try await net.update(id, "bump") }
        let found = u32(try await net.query(id, "check"))
        await net.subnet.shutdown()
        return found
    }

    @Test func isSavedAndRestored() async throws {
        try await withState { directory, id in
            let saved = directory.url.deletingLastPathComponent().appendingPathComponent("saved")
            let key = try Data(contentsOf: directory.url.appendingPathComponent("subnet.key"))
            try directory.save(to: saved)
            #expect(throws: StateFileError.exists(saved.path)) { try directory.save(to: saved) }
            #expect(try await value(directory, id, bumps: 4, first: 1000) == 7)
            try directory.restore(from: saved)
            #expect(try await value(directory, id, first: 2000) == 3)
            // Into a folder that was never one: keys, canisters and their snapshots come along.
            let other = StateDirectory(path: directory.url.path + "-other")
            try other.restore(from: saved)
            #expect(try await value(other, id, bumps: 1, first: 3000) == 4)
            #expect(try Data(contentsOf: other.url.appendingPathComponent("subnet.key")) == key)
            #expect(names(other.url.appendingPathComponent("images")).contains { $0.hasPrefix("snapshot-") })
            #expect(!names(other.url).contains { ["restoring", "restored", "placing"].contains($0) })
        }
    }

    /// Memories have many pages of zeros; the copy has the same holes.
    @Test func copiesKeepTheirHoles() async throws {
        try await withState { directory, _ in
            let image = directory.url.appendingPathComponent("images/rwlgt-iiaaa-aaaaa-aaaaa-cai-heap-9.image")
            let file = open(image.path, O_WRONLY | O_CREAT, 0o600)
            #expect(ftruncate(file, 1 << 30) == 0 && pwrite(file, [7], 1, 1 << 29) == 1)
            close(file)
            let saved = directory.url.deletingLastPathComponent().appendingPathComponent("saved")
            try directory.save(to: saved)
            var found = stat()
            #expect(stat(saved.appendingPathComponent("images/\(image.lastPathComponent)").path, &found) == 0)
            #expect(found.st_size == 1 << 30)
            #expect(found.st_blocks * 512 < 16 << 20)
        }
    }

    @Test(arguments: ["state.sqlite", "node.pem", "missing", "foreign"])
    func damagedSnapshotsChangeNothing(damage: String) async throws {
        try await withState { directory, id in
            let saved = directory.url.deletingLastPathComponent().appendingPathComponent("saved")
            try directory.save(to: saved)
            let manifest = saved.appendingPathComponent("snapshot.json")
            switch damage {
            case "missing": try FileManager.default.removeItem(at: saved.appendingPathComponent("subnet.key"))
            case "foreign":
                let text = try String(contentsOf: manifest, encoding: .utf8)
                try text.replacingOccurrences(of: "node.pem", with: "../node.pem").write(to: manifest, atomically: true, encoding: .utf8)
            default:
                let file = saved.appendingPathComponent(damage)
                var bytes = try Data(contentsOf: file)
                bytes[bytes.count / 2] ^= 1
                try bytes.write(to: file)
            }
            let before = names(directory.url)
            #expect(throws: StateFileError.self) { try directory.restore(from: saved) }
            #expect(names(directory.url) == before || names(directory.url) == (before + ["emulator.lock"]).sorted())
            #expect(try await value(directory, id, first: 1000) == 3)
            #expect(throws: StateFileError.noSnapshot(directory: "/")) { try directory.restore(from: URL(fileURLWithPath: "/")) }
        }
    }

    /// A restore that died between its steps is finished by the next start: before or after the old files went.
    @Test(arguments: ["restored", "placing"])
    func interruptedRestoresAreFinished(step: String) async throws {
        try await withState { directory, id in
            let saved = directory.url.deletingLastPathComponent().appendingPathComponent("saved")
            try directory.save(to: saved)
            #expect(try await value(directory, id, bumps: 2, first: 1000) == 5)
            let manager = FileManager.default
            try manager.copyItem(at: saved, to: directory.url.appendingPathComponent(step))
            try manager.removeItem(at: directory.url.appendingPathComponent("\(step)/snapshot.json"))
            if step == "placing" {
                for name in names(directory.url) where name != step { try manager.removeItem(at: directory.url.appendingPathComponent(name)) }
                // One file was in its place already.
                try manager.moveItem(
                    at: directory.url.appendingPathComponent("placing/node.pem"), to: directory.url.appendingPathComponent("node.pem"))
            }
            _ = try directory.acquire()
            #expect(try await value(directory, id, first: 2000) == 3)
            #expect(names(directory.url).contains("node.pem"))
        }
    }

    @Test func cleaningRemovesWhatIsTheEmulators() async throws {
        try await withState { directory, _ in
            let foreign = directory.url.appendingPathComponent("notes.txt")
            try Data("mine".utf8).write(to: foreign)
            do {
                let lock = try directory.acquire()
                #expect(throws: EmulatorStartError.self) { try directory.clean() }
                #expect(throws: EmulatorStartError.self) { try directory.save(to: URL(fileURLWithPath: directory.url.path + "-copy")) }
                withExtendedLifetime(lock) {}
            }
            try directory.clean()
            #expect(names(directory.url) == ["notes.txt"])
            #expect(throws: StateFileError.noState(directory: directory.url.path)) { try directory.clean() }
        }
        try await withState { directory, _ in
            try directory.clean()
            #expect(!FileManager.default.fileExists(atPath: directory.url.path))
        }
    }
}
