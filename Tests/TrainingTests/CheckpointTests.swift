import Foundation
import Testing
import Training

@Suite struct CheckpointTests {
    static let checkpoint = Checkpoint(
        header: .init(
            toolkitVersion: "1", network: "tiny", datasetHash: "00", seed: 3, epoch: 2, step: 5,
            lossSum: 0.1 + 0.2,
            correct: 7, bestEpoch: 1, bestCorrect: 6),
        parameters: [[1.5, -0.0, .leastNonzeroMagnitude], [3]], optimizerState: [[0, 1, 2], []])

    @Test func keepsEveryBit() throws {
        let bytes = try CheckpointTests.checkpoint.encoded()
        let read = try Checkpoint(bytes, file: "x")
        #expect(read == CheckpointTests.checkpoint)
        #expect(read.parameters[0][1].sign == .minus)
        #expect(try read.encoded() == bytes)
    }

    @Test func refusesEveryTruncationAndEveryFlippedByte() throws {
        let bytes = try CheckpointTests.checkpoint.encoded()
        for count in 0..<bytes.count {
            #expect(throws: RunError.self, "\(count) bytes") {
                try Checkpoint(Array(bytes[..<count]), file: "x")
            }
        }
        for at in bytes.indices {
            var damaged = bytes
            damaged[at] ^= 1
            #expect(throws: RunError.self, "byte \(at)") { try Checkpoint(damaged, file: "x") }
        }
    }

    @Test func namesBothVersions() throws {
        var bytes = try CheckpointTests.checkpoint.encoded()
        bytes[8] = 9
        #expect(throws: RunError.version(file: "x", found: 9, supported: 1)) {
            try Checkpoint(bytes, file: "x")
        }
    }

    // MARK: The disk

    static let storesNothing: AtomicFile.WriteCall = { _, _, _ in
        errno = ENOSPC
        return -1
    }
    /// Stores the first 10 bytes and is then full.
    static let fillsUp: AtomicFile.WriteCall = { descriptor, bytes, count in
        if lseek(descriptor, 0, SEEK_CUR) >= 10 {
            errno = ENOSPC
            return -1
        }
        return write(descriptor, bytes, min(count, 10))
    }

    @Test(arguments: [0, 1])
    func fullDiskKeepsTheOldFile(kind: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/file"
        try AtomicFile.write([1, 2, 3], to: path)
        let call = kind == 0 ? CheckpointTests.storesNothing : CheckpointTests.fillsUp
        let error = #expect(throws: RunError.self) {
            try AtomicFile(write: call).write([UInt8](repeating: 9, count: 100), to: path)
        }
        #expect(error?.description.contains("No space left") == true)
        #expect(FileManager.default.contents(atPath: path) == Data([1, 2, 3]))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
    }

    /// The call of the system may store less than it was given.
    @Test func writesInPieces() throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<100).map { UInt8($0) }
        try AtomicFile(write: { write($0, $1, min($2, 7)) }).write(bytes, to: folder.path + "/file")
        #expect(FileManager.default.contents(atPath: folder.path + "/file") == Data(bytes))
    }

    /// Links stay, and pipes and devices are written to.
    @Test func writesThroughWhatIsNoRegularFile() throws {
        let folder = try TemporaryFolder()
        let files = FileManager.default
        try folder.write([1], "there/target")
        for (link, target) in [("link", "there/target"), ("there/new", "made")] {
            try files.createSymbolicLink(atPath: folder.path + "/" + link, withDestinationPath: target)
            try AtomicFile.write([7, 8], to: folder.path + "/" + link)
            #expect(try files.destinationOfSymbolicLink(atPath: folder.path + "/" + link) == target)
        }
        #expect(files.contents(atPath: folder.path + "/there/target") == Data([7, 8]))
        #expect(files.contents(atPath: folder.path + "/there/made") == Data([7, 8]))
        let pipe = folder.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        // Both ends in one process: a pipe holds a few bytes.
        let reader = open(pipe, O_RDWR)
        defer { close(reader) }
        try AtomicFile.write([1, 2, 3], to: pipe)
        var found = [UInt8](repeating: 0, count: 8)
        #expect(read(reader, &found, 8) == 3)
        #expect(found[..<3] == [1, 2, 3])
        var status = stat()
        #expect(stat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
        #expect(throws: RunError.self) { try AtomicFile.write([1], to: folder.path) }
        // The device that is always full; making one takes privileges.
        let full = folder.path + "/full"
        if mknod(full, S_IFCHR | 0o600, 1 << 8 | 7) == 0 {
            #expect(throws: RunError.self) { try AtomicFile.write([1], to: full) }
            #expect(stat(full, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        }
    }
}
