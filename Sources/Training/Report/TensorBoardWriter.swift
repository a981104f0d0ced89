import Foundation

/// Writes what happens in a run as a TensorBoard event file: scalars by step.
///
/// A record is a length, its masked CRC-32C, the bytes, and theirs; the bytes are an `Event` message of protocol
/// buffers (tensorflow/core/util/event.proto: wall_time = 1, step = 2, file_version = 3, summary = 5).
public final class TensorBoardWriter {
    private let path: String
    private let descriptor: Int32
    private let now: () -> Double
    private var stepsBefore = 0
    private var epochSteps = 1
    /// The first thing that went wrong; training goes on without the file.
    public private(set) var failure: RunError?

    /// Starts a new event file in `folder`/tensorboard.
    ///
    /// - Parameter now: seconds since 1970.
    public init(
        _ folder: RunFolder, now: @escaping () -> Double = { Date().timeIntervalSince1970 }
    ) throws(RunError) {
        let parent = folder.path + "/tensorboard"
        self.now = now
        path = parent + "/events.out.tfevents.\(String(format: "%010d", Int(now()))).\(getpid()).deai-train"
        mkdir(parent, 0o755)
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .notWritten(file: path, reason: HostFile.lastError()) }
        var event = Message()
        event.double(1, now())
        event.bytes(3, Array("brain.Event:2".utf8))
        append(event.content)
    }

    deinit { close(descriptor) }

    /// Keeps the numbers of an event; of steps, a hundred an epoch.
    public func observe(_ event: TrainingEvent) {
        switch event {
        case .started(let start): epochSteps = max(start.stepsPerEpoch, 1)
        case .step(let step):
            guard step.step % max(epochSteps / 100, 1) == 0 else { return }
            let total = (step.epoch - 1) * epochSteps + step.step
            write(["batch/loss": step.loss, "batch/learning_rate": step.learningRate], step: total)
        case .epoch(let epoch):
            var values = ["train/loss": Float(epoch.trainLoss), "train/accuracy": Float(epoch.trainAccuracy)]
            if let loss = epoch.validationLoss { values["validation/loss"] = Float(loss) }
            if let accuracy = epoch.validationAccuracy { values["validation/accuracy"] = Float(accuracy) }
            if let rate = epoch.imagesPerSecond { values["train/images_per_second"] = Float(rate) }
            write(values, step: epoch.epoch * epochSteps)
        case .saved, .interrupted, .finished: break
        }
    }

    private func write(_ values: [String: Float], step: Int) {
        var summary = Message()
        for (tag, value) in values.sorted(by: { $0.key < $1.key }) {
            var entry = Message()
            entry.bytes(1, Array(tag.utf8))
            entry.float(2, value)
            summary.bytes(1, entry.content)
        }
        var event = Message()
        event.double(1, now())
        event.integer(2, UInt64(step))
        event.bytes(5, summary.content)
        append(event.content)
    }

    private func append(_ content: [UInt8]) {
        guard failure == nil else { return }
        let record = TensorBoardWriter.record(content)
        let count = record.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
        if count != record.count {
            failure = .notWritten(file: path, reason: count < 0 ? HostFile.lastError() : "the disk is full")
        }
    }

    /// The record of some bytes.
    static func record(_ content: [UInt8]) -> [UInt8] {
        let length = (0..<8).map { UInt8(truncatingIfNeeded: content.count >> (8 * $0)) }
        return length + masked(length) + content + masked(content)
    }

    /// The CRC-32C as TensorFlow stores it, so that checksums of checksums stay checksums.
    private static func masked(_ bytes: [UInt8]) -> [UInt8] {
        let crc = CRC32C.checksum(bytes)
        let masked = (crc >> 15 | crc << 17) &+ 0xa282_ead8
        return (0..<4).map { UInt8(truncatingIfNeeded: masked >> (8 * $0)) }
    }

    /// Fields of a message of protocol buffers.
    private struct Message {
        private(set) var content: [UInt8] = []

        mutating func integer(_ field: UInt64, _ value: UInt64) {
            varint(field << 3)
            varint(value)
        }

        mutating func double(_ field: UInt64, _ value: Double) {
            varint(field << 3 | 1)
            content += (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
        }

        mutating func float(_ field: UInt64, _ value: Float) {
            varint(field << 3 | 5)
            content += (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
        }

        mutating func bytes(_ field: UInt64, _ value: [UInt8]) {
            varint(field << 3 | 2)
            varint(UInt64(value.count))
            content += value
        }

        private mutating func varint(_ value: UInt64) {
            var rest = value
            while rest >= 128 {
                content.append(UInt8(truncatingIfNeeded: rest) | 128)
                rest >>= 7
            }
            content.append(UInt8(rest))
        }
    }
}

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
public enum CRC32C {
    private static let table = (0..<256).map { index -> UInt32 in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
    }

    public static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }
}
