import Inference
import Kernels
import NeuralNetwork
import Training

/// Makes a .deai file of a run: calibrates, quantises, measures, and records where it comes from.
public struct Exporter: Sendable {
    /// Nil measures every candidate on the validation images and takes the best.
    public var calibration: CalibrationMethod?
    /// Training images to calibrate on, at most.
    public var calibrationImages = 2_000
    public var levels = 127
    public var slot = RunFolder.Slot.best
    public var workers: Workers

    public init(calibration: CalibrationMethod? = nil, workers: Workers) {
        self.calibration = calibration
        self.workers = workers
    }

    /// The file and what is known about it.
    public struct Result: Sendable {
        public let model: QuantizedModel
        public let bytes: [UInt8]
        public let provenance: Provenance
        /// What each calibration method that was tried gave on the validation images, in order.
        public let trials: [(method: String, correct: Int, agreement: Int)]
    }

    /// Exports the run in `folder`, which was trained on `dataset`.
    ///
    /// Calibration images are chosen from the training images by the seed of the run; the test images, or
    /// without them the validation images, are used for the final figures only.
    public func export(
        _ folder: RunFolder, _ configuration: RunConfiguration, dataset: Dataset
    ) throws(ExportError) -> Result {
        let hash = hexadecimal(dataset.contentHash())
        guard hash == configuration.dataset.sha256 else {
            throw .run(
                .mismatch(
                    file: folder.configurationPath, what: "data set", found: configuration.dataset.sha256,
                    expected: "\(hash) (\(dataset.location))"))
        }
        let model = try FloatModel(folder, configuration, slot: slot)
        let epoch: Int
        let float: FloatClassifier
        do {
            epoch = try folder.load(slot, for: configuration)?.header.epoch ?? 0
            float = try FloatClassifier(
                architecture: model.architecture, preprocessing: model.preprocessing,
                parameters: model.parameters, workers: workers)
        } catch {
            throw .run(error)
        }
        let hyper = configuration.hyperparameters
        let split = Split(
            targets: dataset.train.targets, validationFraction: hyper.validationFraction, seed: hyper.seed)
        var order = split.train
        var random = SplitMix64(seed: Seeds.derive(hyper.seed, .calibration))
        random.shuffle(&order)
        let images = dataset.train.subset(Array(order.prefix(calibrationImages)))
        let network = try FoldedNetwork(model)
        let observations = try Calibrator.observe(network, images: images, workers: workers)
        let validation = dataset.train.subset(
            split.validation.isEmpty ? Array(order.prefix(2_000)) : split.validation)

        let (method, trials) = try choose(network, observations, float, validation)
        let quantizer = Quantizer(ranges: observations.ranges(method, levels: levels), levels: levels)
        let part = Provenance.CalibrationPart(
            method: method.description, images: images.count, levels: levels)
        let measured = dataset.test ?? validation
        let report = AccuracyReport(
            split: dataset.test == nil ? "validation" : "test", targets: measured.targets,
            classes: model.labels.count, floatLogits: try logits(float, measured),
            int8Logits: IntegerClassifier(try quantizer.quantize(network).model, workers: workers).logits(measured))
        let provenance = Provenance(
            configuration, epoch: epoch, weightHash: hexadecimal(weightHash(of: model.parameters)),
            calibration: part, accuracy: report)
        let result = try quantizer.quantize(network, provenance: try provenance.encoded()).model
        return Result(model: result, bytes: ModelFile.write(result), provenance: provenance, trials: trials)
    }

    /// The method asked for, or the one with the most right answers on `images`.
    ///
    /// Agreement with the float network decides ties, then the order of the candidates.
    private func choose(
        _ network: FoldedNetwork, _ observations: Observations, _ float: FloatClassifier,
        _ images: LabelledImages
    ) throws(ExportError) -> (CalibrationMethod, [(method: String, correct: Int, agreement: Int)]) {
        let candidates = calibration.map { [$0] } ?? CalibrationMethod.candidates
        guard candidates.count > 1 else { return (candidates[0], []) }
        let floatLogits = try logits(float, images)
        var trials: [(method: String, correct: Int, agreement: Int)] = []
        var best = 0
        for (index, method) in candidates.enumerated() {
            let ranges = observations.ranges(method, levels: levels)
            let quantized = try Quantizer(ranges: ranges, levels: levels).quantize(network).model
            let report = AccuracyReport(
                split: "validation", targets: images.targets, classes: network.labels.count,
                floatLogits: floatLogits,
                int8Logits: IntegerClassifier(quantized, workers: workers).logits(images))
            let count = Double(images.count)
            trials.append(
                (
                    method.description, Int((report.int8Accuracy * count).rounded()),
                    Int((report.agreement * count).rounded())
                ))
            if (trials[index].correct, trials[index].agreement) > (
                trials[best].correct, trials[best].agreement
            ) {
                best = index
            }
        }
        return (candidates[best], trials)
    }

    private func logits(_ float: FloatClassifier, _ images: LabelledImages) throws(ExportError) -> [Float] {
        do {
            return try float.logits(images)
        } catch {
            throw .run(error)
        }
    }
}
