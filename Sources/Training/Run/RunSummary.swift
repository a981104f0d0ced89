import Foundation

/// One run among others, in a few words.
public struct RunSummary: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable {
        case finished
        /// A process trains in the folder now.
        case running
        /// Interrupted, killed or failed; `fit --resume` goes on.
        case stopped
    }

    /// The folder, relative to the one that was searched.
    public var name: String
    public var state: State
    public var dataset: String
    public var model: String
    public var epochs: Int
    public var epochsTrained: Int
    public var bestEpoch: Int?
    public var validationAccuracy: Double?
    /// Of the best weights on the test images.
    public var testAccuracy: Double?
    public var seconds: Double
    public var executor: ExecutorKind
    public var seed: UInt64
    /// The settings of training, by the names of their options.
    public var settings: [String: String]

    public init(_ folder: RunFolder, _ configuration: RunConfiguration, name: String) {
        let log = RunLog(folder)
        self.name = name
        dataset = configuration.dataset.name
        model = configuration.network.name
        epochs = configuration.hyperparameters.epochs
        epochsTrained = log.epochs.last?.epoch ?? 0
        bestEpoch = log.bestEpoch?.epoch
        validationAccuracy = log.bestEpoch?.validationAccuracy
        testAccuracy = log.result.flatMap { $0.split == "test" ? $0.accuracy : nil }
        seconds = log.trainingSeconds
        executor = configuration.executor ?? .portable
        seed = configuration.hyperparameters.seed
        settings = Dictionary(
            uniqueKeysWithValues: configuration.hyperparameters.settings.map { ($0.name, $0.value) })
        settings["executor"] = executor.rawValue
        settings["processes"] = "\(configuration.processes ?? 1)"
        state = log.finish != nil ? .finished : folder.isClaimed ? .running : .stopped
    }

    /// The runs in `path` and in its folders, two levels deep, in order of their names; and what looks like a run but
    /// cannot be read, each with the reason.
    public static func all(in path: String) throws(RunError) -> (runs: [RunSummary], unreadable: [String]) {
        guard HostFile.isDirectory(path) else {
            if HostFile.exists(path) { throw .notAFolder(path: path) }
            throw .unreadable(path: path, reason: "there is no such folder")
        }
        var runs: [RunSummary] = []
        var unreadable: [String] = []
        func visit(_ folder: String, _ name: String, depth: Int) {
            if HostFile.exists(folder + "/config.json") {
                do {
                    let (run, configuration) = try RunFolder.open(folder)
                    runs.append(RunSummary(run, configuration, name: name))
                } catch {
                    unreadable.append("\(error)")
                }
                return
            }
            guard depth < 2 else { return }
            for child in (try? HostFile.names(in: folder))?.sorted() ?? [] where !child.hasPrefix(".") {
                let path = folder + "/" + child
                if HostFile.isDirectory(path) {
                    visit(path, name == "." ? child : name + "/" + child, depth: depth + 1)
                }
            }
        }
        visit(path, ".", depth: 0)
        return (runs, unreadable)
    }

    /// The settings in which some of the runs differ, in order of their names.
    public static func differences(_ runs: [RunSummary]) -> [String] {
        let names = Set(runs.flatMap(\.settings.keys))
        return names.filter { name in Set(runs.map { $0.settings[name] ?? "" }).count > 1 }.sorted()
    }
}
