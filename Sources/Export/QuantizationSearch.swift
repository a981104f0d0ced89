import Inference
import Kernels
import Training

/// Tries ways of quantising on the validation images and keeps the best.
struct QuantizationSearch {
    /// One way, and what it made of the network.
    struct Choice {
        var method: CalibrationMethod
        var correctsBiases: Bool
        var equalises: Bool
        var network: FusedNetwork
        var quantization: Quantization

        var name: String {
            method.description + (correctsBiases ? " + bias correction" : "") + (equalises ? " + equalisation" : "")
        }
    }

    private let settings: Exporter
    private let network: FusedNetwork
    private let calibrationImages: LabelledImages
    private let validation: LabelledImages
    private let floatLogits: [Float]
    private let observations: Observations
    private(set) var trials: [Exporter.Trial] = []

    init(
        _ settings: Exporter, _ network: FusedNetwork, calibrationImages: LabelledImages,
        validation: LabelledImages, floatLogits: [Float]
    ) throws(ExportError) {
        self.settings = settings
        self.network = network
        self.calibrationImages = calibrationImages
        self.validation = validation
        self.floatLogits = floatLogits
        observations = try Calibrator.observe(network, images: calibrationImages, workers: settings.workers)
    }

    /// The way with the most right answers; agreement with the float network decides ties, then the order.
    ///
    /// Ranges first, with biases as they are; then each of the other two on top of the best so far.
    mutating func best() throws(ExportError) -> Choice {
        let corrects = settings.correctsBiases ?? false
        let equalises = settings.equalises ?? false
        var plain: [Choice] = []
        for method in settings.calibration.map({ [$0] }) ?? CalibrationMethod.candidates {
            plain.append(try choice(method, corrects, equalises))
        }
        let measuresEqualisation = settings.equalises == nil && Equalisation.helps(network)
        if plain.count == 1, settings.correctsBiases != nil, !measuresEqualisation { return plain[0] }
        var best = plain[0]
        var bestTrial = try measure(best)
        for candidate in plain.dropFirst() { try challenge(&best, &bestTrial, candidate) }
        if settings.correctsBiases == nil {
            try challenge(&best, &bestTrial, try choice(best.method, true, equalises))
        }
        if measuresEqualisation {
            try challenge(&best, &bestTrial, try choice(best.method, best.correctsBiases, true))
        }
        return best
    }

    private mutating func challenge(
        _ best: inout Choice, _ bestTrial: inout Exporter.Trial, _ candidate: Choice
    ) throws(ExportError) {
        let trial = try measure(candidate)
        guard (trial.correct, trial.agreement) > (bestTrial.correct, bestTrial.agreement) else { return }
        (best, bestTrial) = (candidate, trial)
    }

    private func choice(
        _ method: CalibrationMethod, _ correctsBiases: Bool, _ equalises: Bool
    ) throws(ExportError) -> Choice {
        var (network, observations) = (network, observations)
        if equalises {
            network = Equalisation.apply(network, observations)
            observations = try Calibrator.observe(network, images: calibrationImages, workers: settings.workers)
        }
        let quantizer = Quantizer(
            ranges: observations.ranges(method, levels: settings.levels), levels: settings.levels,
            inputMeans: correctsBiases ? observations.inputMeans : [:], weightBits: settings.weightBits)
        return Choice(
            method: method, correctsBiases: correctsBiases, equalises: equalises, network: network,
            quantization: try quantizer.quantize(network))
    }

    private mutating func measure(_ choice: Choice) throws(ExportError) -> Exporter.Trial {
        let report = AccuracyReport(
            split: "validation", targets: validation.targets, classes: network.labels.count,
            floatLogits: floatLogits,
            int8Logits: IntegerClassifier(choice.quantization.model, workers: settings.workers).logits(validation))
        let count = Double(validation.count)
        let trial = Exporter.Trial(
            method: choice.name, correct: Int((report.int8Accuracy * count).rounded()),
            agreement: Int((report.agreement * count).rounded()))
        trials.append(trial)
        return trial
    }
}
