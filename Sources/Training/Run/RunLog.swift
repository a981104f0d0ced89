import Foundation

/// What the log of a run tells, read back from log.jsonl.
public struct RunLog: Sendable {
    /// One for each epoch, the last where an epoch was trained again after a kill.
    public private(set) var epochs: [TrainingEvent.Epoch] = []
    public private(set) var start: TrainingEvent.Start?
    /// Whether a last checkpoint was complete on the disk.
    public private(set) var hasSaved = false
    /// Present when the run came to its end.
    public private(set) var finish: TrainingEvent.Finish?
    /// The last line of all: the accuracy of the best weights on the test images (or those held back).
    public private(set) var result: Result?

    public struct Result: Sendable, Codable, Equatable {
        public let accuracy: Double
        public let split: String
        public let images: Int
    }

    private struct Event: Decodable {
        let event: String
        let slot: RunFolder.Slot?
    }

    /// Lines that are not understood are left out: another version wrote them, or a crash cut them.
    public init(_ folder: RunFolder) {
        guard let data = FileManager.default.contents(atPath: folder.logPath) else { return }
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
        var byEpoch: [Int: TrainingEvent.Epoch] = [:]
        for line in data.split(separator: 0x0a) {
            let line = Data(line)
            let event = try? decoder.decode(Event.self, from: line)
            switch event?.event {
            case "started": start = (try? decoder.decode(TrainingEvent.Start.self, from: line)) ?? start
            case "saved": hasSaved = hasSaved || event?.slot == .last
            case "epoch":
                hasSaved = true
                if let epoch = try? decoder.decode(TrainingEvent.Epoch.self, from: line) {
                    byEpoch[epoch.epoch] = epoch
                }
            case "trained": finish = try? decoder.decode(TrainingEvent.Finish.self, from: line)
            case "finished": result = try? decoder.decode(Result.self, from: line)
            default: break
            }
        }
        epochs = byEpoch.values.sorted { $0.epoch < $1.epoch }
    }

    /// Of the training steps and the validation, in all processes that worked on the run.
    public var trainingSeconds: Double { epochs.reduce(0) { $0 + $1.seconds } }

    /// The epoch whose weights are `best`.
    public var bestEpoch: TrainingEvent.Epoch? { epochs.last { $0.best } }
}
