import Emulator
import Foundation
import InternetComputer
import Testing

/// A process that is killed at random instants under a load of updates, started anew each time on what it left.
@Suite(.serialized) struct KillTests {
    static let directoryVariable = "DEAI_KILL_TEST_DIRECTORY"
    static let canisters = 4

    /// 20 in every run of the suite; DEAI_KILL_INSTANTS=100 for the long form.
    static var instants: Int {
        ProcessInfo.processInfo.environment["DEAI_KILL_INSTANTS"].flatMap { Int($0) } ?? 20
    }

    @Test(.timeLimit(.minutes(10))) func noAcknowledgedUpdateIsLost() async throws {
        try await StateStoreTests.withDirectory { directory in
            let state = directory.appendingPathComponent("state")
            let journal = directory.appendingPathComponent("acknowledged")
            let net = try SubnetHarness(directory: state)
            var ids: [Principal] = []
            for _ in 0..<Self.canisters { ids.append(try await net.create(TestModules.consistent)) }
            await net.subnet.shutdown()
            var random = SystemRandomNumberGenerator()
            var acknowledgedAltogether = 0
            for round in 0..<Self.instants {
                FileManager.default.createFile(atPath: journal.path, contents: nil)
                let child = try Self.startChild(directory)
                // The instant counts from the first acknowledgement; a start takes long when the machine is busy.
                while (try? journal.resourceValues(forKeys: [.fileSizeKey]).fileSize) ?? 0 == 0, child.isRunning {
                    try await Task.sleep(nanoseconds: 1_000_000)
                }
                try await Task.sleep(nanoseconds: UInt64.random(in: 0..<120_000_000, using: &random))
                #expect(child.isRunning, "the child ended by itself in round \(round)")
                kill(child.processIdentifier, SIGKILL)
                child.waitUntilExit()

                let lines = try String(contentsOf: journal, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                var highest = [UInt32](repeating: 0, count: Self.canisters)
                for line in lines {
                    let words = line.split(separator: " ").compactMap { UInt32($0) }
                    try #require(words.count == 2)
                    highest[Int(words[0])] = max(highest[Int(words[0])], words[1])
                }
                acknowledgedAltogether += lines.count
                let revived = try SubnetHarness(directory: state)
                await revived.subnet.settle()
                for (index, id) in ids.enumerated() {
                    // `check` traps unless heap, global and stable memory hold the same number.
                    let found = u32(try await revived.query(id, "check"))
                    #expect(found >= highest[index], "canister \(index) lost updates in round \(round)")
                }
                await revived.subnet.shutdown()
            }
            #expect(acknowledgedAltogether > Self.instants)
        }
    }

    private static func startChild(_ directory: URL) throws -> Process {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        child.arguments = ["--testing-library", "swift-testing", "--filter", "KillTests/updatesUntilKilled"]
        var environment = ProcessInfo.processInfo.environment
        environment[directoryVariable] = directory.path
        child.environment = environment
        child.standardOutput = FileHandle.nullDevice
        child.standardError = FileHandle.nullDevice
        try child.run()
        return child
    }

    /// The killed process: updates on all canisters, each noted in the journal after its answer.
    @Test(.enabled(if: ProcessInfo.processInfo.environment[directoryVariable] != nil, "only runs as the child of the test above"))
    func updatesUntilKilled() async throws {
        let directory = URL(fileURLWithPath: ProcessInfo.processInfo.environment[Self.directoryVariable] ?? "")
        let journal = open(directory.appendingPathComponent("acknowledged").path, O_WRONLY | O_APPEND)
        let net = try SubnetHarness(
            directory: directory.appendingPathComponent("state"), first: UInt64.random(in: 1 << 32 ..< 1 << 62))
        let ids = net.subnet.canisters
        await withTaskGroup(of: Void.self) { group in
            for (index, id) in ids.enumerated() {
                for _ in 0..<2 {
                    group.addTask {
                        while let answer = try? await net.update(id, "bump") {
                            let line = Array("\(index) \(u32(answer))\n".utf8)
                            _ = write(journal, line, line.count)
                        }
                    }
                }
            }
        }
    }
}
