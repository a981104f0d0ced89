import Foundation
import Testing
import Training

@Suite struct ReportTests {
    @Test func metricsOfClasses() {
        // Rows: 4 of a (3 right), 2 of b (1 right), none of c; c was named once.
        let metrics = ClassMetrics.all([[3, 1, 0], [0, 1, 1], [0, 0, 0]], labels: ["a", "b", "c"])
        #expect(metrics.map(\.images) == [4, 2, 0])
        #expect(metrics.map(\.precision) == [1, 0.5, 0])
        #expect(metrics.map(\.recall) == [0.75, 0.5, 0])
        #expect(abs(metrics[0].f1 - 6.0 / 7) < 1e-12)
        #expect(metrics[1].f1 == 0.5)
        #expect(metrics[2].f1 == 0)
    }

    /// Two images at 3/4 of which one is right, one at 1/2 that is right: (2 · |0.75 − 0.5| + |0.5 − 1|) / 3.
    @Test func calibrationError() {
        let three = Float(log(3.0))
        let calibration = Calibration(
            logits: [three, 0, three, 0, 0, 0], targets: [0, 1, 0], classes: 2, bins: 10)
        #expect(abs(calibration.expectedError - 1.0 / 3) < 1e-6)
        #expect(calibration.bins[7].images == 2)
        #expect(calibration.bins[7].accuracy == 0.5)
        #expect(abs(calibration.bins[7].confidence - 0.75) < 1e-6)
        #expect(calibration.bins.reduce(0) { $0 + $1.images } == 3)
    }

    @Test func worstMistakesComeFirst() {
        let mistakes = Mistake.worst(
            2, logits: [5, 0, 0, 1, 0, 0, 0, 0, 9, 0, 30, 0], targets: [0, 1, 0, 0], classes: 3)
        #expect(mistakes.map(\.image) == [3, 2])
        #expect(mistakes.map(\.predicted) == [1, 2])
        #expect(mistakes[0].confidence > 0.999)
        #expect(mistakes[1].actualProbability < 0.001)
    }

    @Test func writesAPageThatNeedsNothing() throws {
        let result = try TrainingLoopTests.train(try TrainingLoopTests.configuration(epochs: 2))
        var (folder, configuration) = try RunFolder.open(result.run.path)
        configuration.labels = ["a <b>", "c & d", "Füße", "\"e\""]
        let test = try #require(TrainingLoopTests.dataset.test)
        let best = try #require(try folder.load(.best, for: configuration))
        let logits = try FloatClassifier(
            architecture: try configuration.network.architecture(),
            preprocessing: configuration.preprocessing,
            parameters: best.parameters, workers: .serial
        ).logits(test)
        let report = RunReport(
            configuration, log: RunLog(folder), split: "test", images: test, logits: logits)
        try report.write(to: folder)
        let page = String(
            decoding: try Data(contentsOf: URL(fileURLWithPath: folder.path + "/report.html")), as: UTF8.self)
        #expect(page.contains("a &lt;b&gt;") && page.contains("c &amp; d") && !page.contains("a <b>"))
        for outside in ["http:", "https:", "src=", "url(", "<script", "<link", "@import"] {
            #expect(!page.contains(outside), "\(outside)")
        }
        #expect(page.contains(String(format: "%.2f %%", report.metrics.accuracy * 100)))
        for (name, least) in [("curves", 600), ("confusion", 300), ("calibration", 300), ("mistakes", 300)] {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/\(name).png"))
            let image = try PNGFile.decode([UInt8](bytes))
            #expect(image.width >= least)
            #expect(Set(image.pixels).count > 20)
        }
        let json = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/metrics.json"))
        #expect(try JSONDecoder().decode(RunReport.Metrics.self, from: json) == report.metrics)
        // A new run in the folder leaves none of it.
        _ = try RunFolder.create(folder.path, configuration: configuration, force: true)
        for file in RunReport.files {
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/" + file))
        }
    }

    @Test func listsAndComparesRuns() throws {
        let temporary = try TemporaryFolder()
        for (name, rate) in [("a", Float(0.05)), ("group/b", 0.1)] {
            let configuration = try TrainingLoopTests.configuration(epochs: 1, learningRate: rate)
            let run = try RunFolder.create(
                temporary.path + "/" + name, configuration: configuration, force: false)
            guard name == "a" else { continue }
            let loop = try TrainingLoop(
                configuration, dataset: TrainingLoopTests.dataset, folder: run, workers: .serial)
            _ = try loop.run(observe: { _ in })
            try run.log(#"{"event":"finished","accuracy":0.5,"split":"test","images":40}"#)
            try run.log("{\"event\":\"epo")
        }
        try temporary.write(Array("{}".utf8), "broken/config.json")
        try temporary.write([1], "other/file")
        let (runs, unreadable) = try RunSummary.all(in: temporary.path)
        #expect(runs.map(\.name) == ["a", "group/b"])
        #expect(runs.map(\.state) == [.finished, .stopped])
        #expect(runs.map(\.testAccuracy) == [0.5, nil])
        #expect(runs.map(\.epochsTrained) == [1, 0])
        #expect(runs[0].validationAccuracy != nil)
        #expect(RunSummary.differences(runs) == ["learning-rate"])
        #expect(unreadable.count == 1)
        #expect(try RunSummary.all(in: temporary.path + "/a").runs.map(\.name) == ["."])
        let (folder, _) = try RunFolder.open(temporary.path + "/group/b")
        let claim = try folder.claim()
        #expect(try RunSummary.all(in: temporary.path).runs[1].state == .running)
        withExtendedLifetime(claim) {}
        #expect(throws: RunError.self) { try RunSummary.all(in: temporary.path + "/nowhere") }
    }

    /// RFC 3720, appendix B.4.
    @Test(
        arguments: [
            ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
            ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
            ((0..<32).map { UInt8($0) }, 0x46dd_794e), (Array("123456789".utf8), 0xe306_9283), ([], 0),
        ] as [([UInt8], UInt32)])
    func castagnoli(bytes: [UInt8], checksum: UInt32) {
        #expect(CRC32C.checksum(bytes) == checksum)
    }

    /// The bytes that TensorFlow's own writer makes for its first record, time 0 apart.
    @Test func eventFilesBeginAsTensorFlowsDo() throws {
        let configuration = try TrainingLoopTests.configuration()
        let temporary = try TemporaryFolder()
        let run = try RunFolder.create(temporary.path + "/run", configuration: configuration, force: false)
        let writer = try TensorBoardWriter(run, now: { 2 })
        writer.observe(
            .epoch(.init(epoch: 1, epochs: 3, trainLoss: 1, trainAccuracy: 0.5, best: true, seconds: 1)))
        #expect(writer.failure == nil)
        let folder = run.path + "/tensorboard"
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
        #expect(name.hasPrefix("events.out.tfevents.0000000002."))
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)))
        let time: [UInt8] = [0x09, 0, 0, 0, 0, 0, 0, 0, 0x40]
        let version: [UInt8] = time + [0x1a, 13] + Array("brain.Event:2".utf8)
        #expect(Array(bytes[0..<8]) == [24, 0, 0, 0, 0, 0, 0, 0])
        #expect(Array(bytes[8..<12]) == [0xa3, 0x7f, 0x4b, 0x22])  // as in files of TensorFlow
        #expect(Array(bytes[12..<36]) == version)
        let second = Array(bytes[40...])
        #expect(second.count == Int(second[0]) + 16)
        #expect(String(decoding: second, as: UTF8.self).contains("train/accuracy"))
    }

    /// The loss falls to its least and up again: the advice follows the curve.
    @Test func adviceOfRates() {
        let points = (0..<100).map { index -> RateFinder.Point in
            var loss = 2.3
            if index > 40 { loss -= Double(min(index, 60) - 40) * 0.08 }
            if index > 60 { loss += Double(index - 60) * 0.1 }
            let rate = Float(pow(10, Double(index) / 20 - 5))
            return RateFinder.Point(learningRate: rate, loss: Float(loss), smoothed: loss)
        }
        let result = RateFinder.result(points, diverged: true)
        #expect(abs(result.suggestion / points[60].learningRate - 0.1) < 1e-4)
        #expect(result.steepest > points[40].learningRate && result.steepest < points[60].learningRate)
        #expect(RateFinder.result([], diverged: true).suggestion == 0)
    }

    @Test func findsARateThatTrains() throws {
        let configuration = try TrainingLoopTests.configuration()
        let temporary = try TemporaryFolder()
        let finder = RateFinder(configuration, dataset: TrainingLoopTests.dataset, workers: .serial)
        var seen = 0
        let result = try finder.run(from: 1e-4, to: 100, steps: 80) { _ in seen += 1 }
        #expect(result.points.count == seen)
        #expect(try finder.run(from: 1, to: 1e8, steps: 80).diverged)
        #expect((0.001...0.5).contains(result.suggestion))
        try RateFinder.plot(result, to: temporary.path + "/rates.png")
        let trained = try TrainingLoopTests.train(
            try TrainingLoopTests.configuration(epochs: 6, learningRate: result.suggestion))
        #expect(try #require(trained.finish.bestValidationAccuracy) > 0.9)
        #expect(throws: RunError.self) { try finder.run(from: 0, to: 1, steps: 80) }
    }

    @Test func divergenceOfAFiniteLossIsNoticed() throws {
        let divergence = Divergence(
            epoch: 2, step: 7, learningRate: 0.5, baseRate: 1, loss: 99,
            place: .activations(layer: 3, name: "conv2d"))
        for part in ["99", "step 7", "epoch 2", "layer 3", "conv2d", "--learning-rate", "lr-find"] {
            #expect(divergence.description.contains(part))
        }
    }

    /// Constant values, as of data with one class, and values that are no numbers have axes.
    @Test(arguments: [
        (0, 1), (0, 0), (2.5, 1), (1e300, 0.5), (.nan, 1), (.infinity, 0), (1e-300, 0.9999),
    ] as [(Double, Double)])
    func drawsConstants(loss: Double, accuracy: Double) throws {
        let temporary = try TemporaryFolder()
        let configuration = try TrainingLoopTests.configuration()
        let run = try RunFolder.create(temporary.path + "/run", configuration: configuration, force: false)
        for epoch in 1...3 {
            let event = TrainingEvent.Epoch(
                epoch: epoch, epochs: 3, trainLoss: loss, trainAccuracy: accuracy, validationLoss: loss,
                validationAccuracy: accuracy, best: epoch == 1, seconds: 1)
            try run.log(TrainingEvent.epoch(event).json)
        }
        let test = try #require(TrainingLoopTests.dataset.test)
        let logits = [Float](repeating: Float(loss), count: test.count * configuration.labels.count)
        try RunReport(configuration, log: RunLog(run), split: "test", images: test, logits: logits).write(to: run)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: run.path + "/curves.png"))
        #expect(Set(try PNGFile.decode([UInt8](bytes)).pixels).count > 20)
    }

    @Test func ratesWithoutLossAreDrawn() throws {
        let temporary = try TemporaryFolder()
        for loss in [0, Double.nan, 1e-310] {
            let points = (1...20).map {
                RateFinder.Point(learningRate: Float($0), loss: Float(loss), smoothed: loss)
            }
            try RateFinder.plot(RateFinder.result(points, diverged: false), to: temporary.path + "/rates.png")
        }
    }
}
