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

    /// Too small for bins of their own: as if they were zero.
    @Test(arguments: [0, 0x1p-149, 0x1p-140, 0x1p-118] as [Float]) func tinyValuesCountAsZero(value: Float) {
        var histogram = ActivationHistogram(maximum: value)
        [value, 0, -value].withUnsafeBufferPointer { histogram.add($0, relu: false) }
        for method in CalibrationMethod.candidates { #expect(histogram.range(method, levels: 127) == 1) }
    }

    @Test(arguments: [1e-30, 1e38] as [Float]) func valuesOfAnySizeFillBins(value: Float) {
        var histogram = ActivationHistogram(maximum: value)
        [value, value / 2].withUnsafeBufferPointer { histogram.add($0, relu: false) }
        #expect(histogram.range(.minMax, levels: 127) == value && histogram.bins.last == 1)
    }

    /// Weights of any size either make an integer model or are refused.
    @Test(arguments: [0, 0x1p-149, 0x1p-140, 0x1p-130, 6e-37, 1e-30, 1e10, 1e30, 3e38] as [Float])
    func weightsOfAnySize(size: Float) throws {
        let architecture = QuantizerTests.network(
            [.conv2d(filters: 2, kernel: 1, stride: 1, padding: 0), .flatten, .dense(units: 2)])
        let images = FoldingTests.images(architecture, count: 4, seed: 1)
        let model = QuantizerTests.model(
            architecture, parameters: [[size, -size], [0, 0], [Float](repeating: size, count: 16), [0, size]])
        do {
            let network = try FusedNetwork(model)
            let observations = try Calibrator.observe(network, images: images, workers: .serial)
            for method in CalibrationMethod.candidates {
                _ = try Quantizer(ranges: observations.ranges(method, levels: 127)).quantize(network)
            }
            #expect(size < 1e30)
        } catch {
            #expect(size > 0, "\(error)")
        }
    }

    @Test func activationsThatAreInfiniteAreRefused() throws {
        let conv = Layer.conv2d(filters: 1, kernel: 1, stride: 1, padding: 0)
        let architecture = QuantizerTests.network([conv, conv, .flatten, .dense(units: 2)])
        let model = QuantizerTests.model(
            architecture, parameters: [[1e30], [0], [1e30], [0], [Float](repeating: 1, count: 8), [0, 0]])
        let network = try FusedNetwork(model)
        let images = FoldingTests.images(architecture, count: 4, seed: 1)
        let error = #expect(throws: ExportError.self) {
            try Calibrator.observe(network, images: images, workers: .serial)
        }
        #expect(error?.description.contains("layer 1 (conv2d)") == true)
    }

    @Test(arguments: [Float.infinity, .nan]) func weightsThatAreNoNumbersAreRefused(weight: Float) throws {
        let architecture = QuantizerTests.network([.flatten, .dense(units: 2)])
        let weights = [Float](repeating: weight, count: 8)
        let error = #expect(throws: ExportError.self) {
            try FusedNetwork(QuantizerTests.model(architecture, parameters: [weights, [0, 0]]))
        }
        #expect(error?.description.contains("layer 1 (dense)") == true)
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
