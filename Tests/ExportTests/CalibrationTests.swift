import Export
import Kernels
import NeuralNetwork
import Testing
import Training

@Suite struct CalibrationTests {
    /// Magnitudes 0.5, 1.5, … 999.5, each once.
    static func uniform() -> ActivationHistogram {
        var histogram = ActivationHistogram(maximum: 1000, bins: 1000)
        let values = (0..<1000).map { Float($0) + 0.5 }
        values.withUnsafeBufferPointer { histogram.add($0, relu: true) }
        return histogram
    }

    @Test func rangesOfAKnownDistribution() {
        let histogram = CalibrationTests.uniform()
        #expect(histogram.range(.minMax, levels: 127) == 1000)
        #expect(histogram.range(.percentile(0.9), levels: 127) == 900)
        #expect(histogram.range(.percentile(0.999), levels: 127) == 999)
        // Cutting off a uniform distribution costs more than it gains, except within one step of the end.
        #expect(histogram.range(.meanSquaredError, levels: 127) >= 980)
    }

    /// One value of 100 among 100,000 from 0 to 1.
    ///
    /// The squared error (100 − r)² + 100,000 · (r / 127)² / 12 is least at r = 65.9.
    @Test func outliersAreCutOff() {
        var histogram = ActivationHistogram(maximum: 100)
        var random = SplitMix64(seed: 1)
        var values = (0..<100_000).map { _ in random.uniform() }
        values[5] = 100
        values.withUnsafeBufferPointer { histogram.add($0, relu: true) }
        #expect(histogram.range(.minMax, levels: 127) == 100)
        #expect(histogram.range(.percentile(0.9999), levels: 127) < 1.1)
        #expect(abs(histogram.range(.meanSquaredError, levels: 127) - 65.9) < 1.5)
    }

    @Test func reluIgnoresNegativeValues() {
        let values: [Float] = [-4, -3, -2, 1]
        var cut = ActivationHistogram(maximum: 4, bins: 4)
        values.withUnsafeBufferPointer { cut.add($0, relu: true) }
        #expect(cut.bins == [3, 1, 0, 0])
        var whole = ActivationHistogram(maximum: 4, bins: 4)
        values.withUnsafeBufferPointer { whole.add($0, relu: false) }
        #expect(whole.bins == [0, 1, 1, 2])
    }

    @Test func nothingSeenStillGivesARange() {
        for method in CalibrationMethod.candidates {
            #expect(ActivationHistogram(maximum: 0).range(method, levels: 127) == 1)
        }
    }

    @Test(arguments: ["minmax", "mse", "percentile:0.9999", "percentile:0.5001"])
    func textsGoBothWays(text: String) {
        #expect(CalibrationMethod(text)?.description == text)
    }

    @Test(arguments: ["", "auto", "percentile:", "percentile:0.5", "percentile:1.1", "minmax:1"])
    func refusesOtherTexts(text: String) {
        #expect(CalibrationMethod(text) == nil)
    }

    /// The maxima that calibration sees are those of the network: a 1x1 convolution with known weights.
    @Test func seesWhatTheNetworkGives() throws {
        let architecture = QuantizerTests.network([
            .conv2d(filters: 2, kernel: 1, stride: 1, padding: 0), .relu, .flatten, .dense(units: 2),
        ])
        let model = QuantizerTests.model(
            architecture, parameters: [[2, -1], [0, 0.25], [Float](repeating: 1, count: 16), [0, 0]])
        let images = LabelledImages(
            geometry: ImageGeometry(height: 2, width: 2, channels: 1),
            pixels: [100, 110, 120, 130, 0, 0, 0, 150, 100, 100, 100, 100], targets: [0, 1, 0])
        // x is -1 … 0.5: channel 0 reaches 2 · 0.5 = 1, channel 1 reaches 1 + 0.25.
        let network = try FusedNetwork(model)
        let whole = try Calibrator.observe(network, images: images, workers: .serial)
        #expect(whole.histograms.keys.sorted() == [0])
        #expect(abs((whole.histograms[0]?.maximum ?? 0) - 1.25) < 1e-6)
        #expect(whole.histograms[0]?.count == 3 * 8)
        #expect(zip(whole.channelMaxima[0] ?? [], [1, 1.25]).allSatisfy { abs($0 - $1) < 1e-6 })
        // Pixels less 100, times 0.01, and then relu(2x) in turns with relu(0.25 − x).
        #expect(abs((whole.inputMeans[0]?[0] ?? 9) - (1010 / 12 - 100) * 0.01) < 1e-5)
        #expect(whole.inputMeans[2]?.count == 8)
        // The last batch is a partial one: its unused part must not be counted.
        #expect(try Calibrator.observe(network, images: images, workers: .serial, batch: 2) == whole)
    }
}
