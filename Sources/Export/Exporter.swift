import Inference
import Kernels
import NeuralNetwork
import Training

/// Makes a .deai file of a run: folds, calibrates, quantises, fine-tunes, measures, and records where it comes from.
public struct Exporter: Sendable {
    /// Nil measures every candidate on the validation images and takes the best.
    public var calibration: CalibrationMethod?
    /// Whether biases make up for rounded weights; nil measures.
    public var correctsBiases: Bool?
    /// Whether channels are evened out before; nil measures, in networks with depthwise layers.
    public var equalises: Bool?
    /// Nil for quantisation after training alone.
    public var fineTuning: FineTuning?
    /// Training images to calibrate on, at most.
    public var calibrationImages = 2_000
    public var levels = 127
    /// 8, or 4: see `Quantizer`.
    public var weightBits = 8
    public var slot = RunFolder.Slot.best
    public var workers: Workers

    public init(calibration: CalibrationMethod? = nil, workers: Workers) {
        self.calibration = calibration
        self.workers = workers
    }

    /// What one way of quantising gave on the validation images.
    public struct Trial: Equatable, Sendable {
        public let method: String
        public let correct: Int
        /// How many answers were those of the float network.
        public let agreement: Int
    }

    /// Where fine-tuning is.
    public enum Event: Equatable, Sendable {
        /// `step` of `steps` of all epochs together, and the mean loss of its epoch so far.
        case step(Int, of: Int, loss: Float)
        /// Right answers on the validation images after so many epochs; 0 for before the first.
        case epoch(Int, correct: Int)
    }

    /// The file and what is known about it.
    public struct Result: Sendable {
        public let model: QuantizedModel
        public let bytes: [UInt8]
        public let provenance: Provenance
        /// What each way of quantising that was tried gave on the validation images, in order.
        public let trials: [Trial]
        public let layers: LayerReport
        /// On how many of the images of the accuracy report float ops predicted every integer logit; nil without
        /// fine-tuning.
        public let predicted: Int?
    }

    /// Exports the run in `folder`, which was trained on `dataset`.
    ///
    /// Calibration images are chosen from the training images by the seed of the run; the test images, or
    /// without them the validation images, are used for the final figures only.
    public func export(
        _ folder: RunFolder, _ configuration: RunConfiguration, dataset: Dataset,
        observe: (Event) -> Void = { _ in }
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
                parameters: model.parameters, workers: workers, executor: configuration.executor ?? .portable)
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
        let validation = dataset.train.subset(
            split.validation.isEmpty ? Array(order.prefix(2_000)) : split.validation)

        var search = try QuantizationSearch(
            self, FusedNetwork(model), calibrationImages: images, validation: validation,
            floatLogits: try float.exportLogits(validation))
        var chosen = try search.best()
        if let fineTuning {
            let run = FineTuningRun(
                settings: fineTuning, configuration: configuration, images: dataset.train, split: split,
                validation: validation, model: model, workers: workers)
            chosen.quantization = try run.tune(chosen.quantization, observe: observe)
        }
        let layers = try LayerReport(
            chosen.network, chosen.quantization,
            images: validation.subset((0..<min(validation.count, 200)).map { Int32($0) }), workers: workers)

        let measured = dataset.test ?? validation
        let integerLogits = IntegerClassifier(chosen.quantization.model, workers: workers).logits(measured)
        let report = AccuracyReport(
            split: dataset.test == nil ? "validation" : "test", targets: measured.targets,
            classes: model.labels.count, floatLogits: try float.exportLogits(measured), int8Logits: integerLogits)
        var predicted: Int?
        if fineTuning != nil {
            predicted = Exporter.equalRows(
                try FakeQuantizedRunner.logits(chosen.quantization.model, measured, workers: workers), integerLogits,
                classes: model.labels.count)
        }
        let provenance = Provenance(
            configuration, epoch: epoch, weightHash: hexadecimal(weightHash(of: model.parameters)),
            calibration: Provenance.CalibrationPart(
                method: chosen.method.description, images: images.count, levels: levels,
                biasCorrection: chosen.correctsBiases, equalisation: chosen.equalises,
                weightBits: weightBits == 8 ? nil : weightBits),
            fineTuning: fineTuning, accuracy: report)
        let result = try chosen.quantization.model.with(provenance: try provenance.encoded())
        return Result(
            model: result, bytes: ModelFile.write(result), provenance: provenance, trials: search.trials,
            layers: layers, predicted: predicted)
    }

    private static func equalRows(_ a: [Float], _ b: [Int32], classes: Int) -> Int {
        stride(from: 0, to: b.count, by: classes).count { row in
            (row..<row + classes).allSatisfy { a[$0] == Float(b[$0]) }
        }
    }
}

extension FloatClassifier {
    func exportLogits(_ images: LabelledImages) throws(ExportError) -> [Float] {
        do {
            return try logits(images)
        } catch {
            throw .run(error)
        }
    }
}

extension QuantizedModel {
    /// The same model with another provenance record.
    func with(provenance: [UInt8]) throws(ExportError) -> QuantizedModel {
        do {
            return try QuantizedModel(
                name: name, input: input, layers: layers, labels: labels, logitScale: logitScale,
                provenance: provenance)
        } catch {
            throw .model(error)
        }
    }
}
