import Foundation
import NeuralNetwork
import Testing
import Training

@Suite struct RunFolderTests {
    @Test func configurationSurvives() throws {
        let folder = try TemporaryFolder()
        let configuration = try TrainingLoopTests.configuration()
        _ = try RunFolder.create(folder.path + "/run", configuration: configuration, force: false)
        #expect(try RunFolder.open(folder.path + "/run").configuration == configuration)
        #expect(try configuration.network.architecture().layers.count == 5)
    }

    /// The choice is kept only where it was made, so that other files stay as they were.
    @Test(arguments: [(ImageFolder.Unreadable.skip, true), (.stop, false)])
    func unreadableImagesAreRemembered(unreadable: ImageFolder.Unreadable, isWritten: Bool) throws {
        let folder = try TemporaryFolder()
        var hyper = Hyperparameters()
        hyper.batch = 16
        let configuration = try RunConfiguration(
            toolkitVersion: "1", dataset: TrainingLoopTests.dataset,
            network: Preset.mlp.architecture(height: 12, width: 12, channels: 1, classes: 4), hyperparameters: hyper,
            unreadable: unreadable)
        let run = try RunFolder.create(folder.path + "/run", configuration: configuration, force: false)
        #expect(try RunFolder.open(run.path).configuration.unreadable == unreadable)
        let json = try String(contentsOfFile: run.configurationPath, encoding: .utf8)
        #expect(json.contains("skipsUnreadable") == isWritten)
    }

    @Test func protectsWhatIsThere() throws {
        let folder = try TemporaryFolder()
        let configuration = try TrainingLoopTests.configuration()
        let path = folder.path + "/run"
        _ = try RunFolder.create(path, configuration: configuration, force: false)
        #expect(throws: RunError.exists(folder: path)) {
            try RunFolder.create(path, configuration: configuration, force: false)
        }
        _ = try RunFolder.create(path, configuration: configuration, force: true)
        try folder.write([1], "other/thesis.txt")
        for force in [false, true] {
            let error = #expect(throws: RunError.self) {
                try RunFolder.create(folder.path + "/other", configuration: configuration, force: force)
            }
            guard case .notARun = error else {
                Issue.record("found \(String(describing: error))")
                continue
            }
        }
        #expect(FileManager.default.fileExists(atPath: folder.path + "/other/thesis.txt"))
    }

    /// Killed before config.json was whole: starting again works, resuming says so, and other files are left alone.
    @Test func startsAgainWhatNeverBegan() throws {
        let folder = try TemporaryFolder()
        let configuration = try TrainingLoopTests.configuration()
        let path = folder.path + "/run"
        try folder.write([1, 2], "run/config.json.4711.tmp")
        try folder.write([3], "run/checkpoints/last.ckpt")
        try folder.write([3], "run/checkpoints/best.ckpt.4711.tmp")
        let error = #expect(throws: RunError.self) { try RunFolder.open(path) }
        #expect(error?.description.contains("without --resume") == true)
        let run = try RunFolder.create(path, configuration: configuration, force: false)
        #expect(try run.load(.last, for: configuration) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).sorted() == ["checkpoints", "config.json"])
        try folder.write([1], "other/checkpoints/last.ckpt")
        try folder.write([1], "other/checkpoints/mine.txt")
        #expect(throws: RunError.self) {
            try RunFolder.create(folder.path + "/other", configuration: configuration, force: true)
        }
        #expect(FileManager.default.fileExists(atPath: folder.path + "/other/checkpoints/last.ckpt"))
    }

    @Test func oneProcessTrainsAtATime() throws {
        let folder = try TemporaryFolder()
        let configuration = try TrainingLoopTests.configuration()
        let run = try RunFolder.create(folder.path + "/run", configuration: configuration, force: false)
        try folder.write([1, 2], "run/checkpoints/last.ckpt.99.tmp")
        do {
            let claim = try run.claim()
            #expect(try FileManager.default.contentsOfDirectory(atPath: run.path + "/checkpoints") == [])
            #expect(throws: RunError.busy(folder: run.path)) { try run.claim() }
            #expect(throws: RunError.busy(folder: run.path)) {
                try RunFolder.create(run.path, configuration: configuration, force: true)
            }
            withExtendedLifetime(claim) {}
        }
        _ = try run.claim()
    }

    @Test func refusesOtherVersionsAndDamage() throws {
        let folder = try TemporaryFolder()
        let configuration = try TrainingLoopTests.configuration()
        let path = folder.path + "/run"
        let run = try RunFolder.create(path, configuration: configuration, force: false)
        let json = String(
            decoding: try Data(contentsOf: URL(fileURLWithPath: run.configurationPath)), as: UTF8.self)
        try folder.write(
            Array(json.replacing("\"format\" : 1", with: "\"format\" : 7").utf8), "run/config.json")
        #expect(throws: RunError.version(file: run.configurationPath, found: 7, supported: 1)) {
            try RunFolder.open(path)
        }
        try folder.write(Array(json.replacing("\"seed\"", with: "\"sea\"").utf8), "run/config.json")
        #expect(throws: RunError.self) { try RunFolder.open(path) }
        for (good, bad, named) in [
            ("\"batch\" : 16", "\"batch\" : 0", "batch"), ("\"epochs\" : ", "\"epochs\" : -", "epochs"),
            ("\"seed\" : ", "\"sed\" : ", "seed"),
        ] {
            try folder.write(Array(json.replacing(good, with: bad).utf8), "run/config.json")
            let error = #expect(throws: RunError.self) { try RunFolder.open(path) }
            #expect(error?.description.contains(named) == true, "\(error?.description ?? "")")
            guard case .damaged = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        try folder.write([], "run/config.json")
        #expect(throws: RunError.notAFolder(path: path + "/config.json")) { try RunFolder.open(path + "/config.json") }
        #expect(throws: RunError.self) { try RunFolder.open(path) }
        let nowhere = folder.path + "/nowhere"
        #expect(throws: RunError.unreadable(path: nowhere, reason: "there is no such folder")) {
            try RunFolder.open(nowhere)
        }
        #expect(throws: RunError.self) { try RunFolder.open(folder.path) }
    }

    @Test func refusesCheckpointsOfOtherNetworksAndData() throws {
        let folder = try TemporaryFolder()
        let configuration = try TrainingLoopTests.configuration()
        let run = try RunFolder.create(folder.path + "/run", configuration: configuration, force: false)
        #expect(try run.load(.last, for: configuration) == nil)
        var checkpoint = CheckpointTests.checkpoint
        checkpoint.header.network = configuration.network.summary
        checkpoint.header.datasetHash = configuration.dataset.sha256
        try run.save(checkpoint, as: .last)
        #expect(try run.load(.last, for: configuration) == checkpoint)
        checkpoint.header.network = "mlp"
        try run.save(checkpoint, as: .last)
        let error = #expect(throws: RunError.self) { try run.load(.last, for: configuration) }
        #expect(error?.description.contains("mlp") == true)
        #expect(error?.description.contains(configuration.network.summary) == true)
    }

    @Test(arguments: Preset.allCases)
    func networksGoThroughJSON(preset: Preset) throws {
        let architecture = preset.architecture(height: 28, width: 28, channels: 3, classes: 7)
        let json = try JSONEncoder().encode(NetworkDescription(architecture))
        let read = try JSONDecoder().decode(NetworkDescription.self, from: json)
        #expect(try read.architecture() == architecture)
    }

    @Test func unknownModelsListTheCloseOnes() {
        let error = #expect(throws: RunError.self) { try Preset.named("lenet") }
        #expect(error?.description.contains("Did you mean lenet5?") == true)
        #expect(throws: RunError.self) { try Preset.named("resnet9000") }
    }

    /// Means are whole numbers per channel, and the scale is one over the spread of all channels.
    @Test func statisticsOfPixels() throws {
        let geometry = ImageGeometry(height: 1, width: 2, channels: 3)
        let images = LabelledImages(
            geometry: geometry, pixels: [0, 10, 7, 100, 20, 7, 50, 15, 7, 50, 15, 7], targets: [0, 1])
        let dataset = Dataset(
            name: "x", location: "x", format: .idx, labels: ["a", "b"], train: images, test: nil)
        var hyper = Hyperparameters()
        hyper.validationFraction = 0
        let configuration = try RunConfiguration(
            toolkitVersion: "1", dataset: dataset,
            network: Preset.mlp.architecture(height: 1, width: 2, channels: 3, classes: 2),
            hyperparameters: hyper)
        #expect(configuration.zeroPoints == [50, 15, 7])
        let variance = (1250.0 + 12.5 + 0) / 3
        #expect(abs(Double(configuration.pixelScale) - 1 / variance.squareRoot()) < 1e-6)
    }

    /// A run that has saved does not begin anew where its last checkpoint is gone; one that has not, does.
    @Test func resumesOnlyWithTheLastCheckpoint() throws {
        let result = try TrainingLoopTests.train(try TrainingLoopTests.configuration(epochs: 1))
        let (run, configuration) = try RunFolder.open(result.run.path)
        let last = run.checkpointPath(.last)
        #expect(try run.resumption(of: configuration) != nil)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: last))
        try FileManager.default.removeItem(atPath: last)
        func isRefused() -> Bool {
            let error = #expect(throws: RunError.self) { try run.resumption(of: configuration) }
            guard case .unreadable(last, let reason) = error else { return false }
            return reason.contains("--force")
        }
        #expect(isRefused())
        let log = try String(contentsOfFile: run.logPath, encoding: .utf8)
        // Killed between the two files of the first epoch.
        let lines = log.split(separator: "\n").prefix { !$0.contains("\"slot\":\"last\"") }
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: run.logPath))
        #expect(try run.resumption(of: configuration) == nil)
        // Weights without a log have come from elsewhere.
        try FileManager.default.removeItem(atPath: run.logPath)
        #expect(isRefused())
        try FileManager.default.removeItem(atPath: run.checkpointPath(.best))
        #expect(try run.resumption(of: configuration) == nil)
        try bytes.write(to: URL(fileURLWithPath: last))
        #expect(try run.resumption(of: configuration) != nil)
    }
}
