import Foundation
import Inference
import Kernels
import NeuralNetwork
import Training

/// Fine-tunes a quantised model on the training images of a run.
struct FineTuningRun {
    let settings: FineTuning
    let configuration: RunConfiguration
    let images: LabelledImages
    let split: Split
    let validation: LabelledImages
    /// The float network, whose answers are part of the targets.
    let model: FloatModel
    let workers: Workers

    private var hyper: Hyperparameters { configuration.hyperparameters }

    /// The model of the epoch with the most right answers on the validation images, the one before the first included.
    ///
    /// Batches are drawn and varied as in training, with the epochs that would come next.
    func tune(
        _ quantization: Quantization, observe: (Exporter.Event) -> Void
    ) throws(ExportError) -> Quantization {
        let classes = quantization.model.labels.count
        let batch = min(hyper.batch, split.train.count)
        let source = BatchSource(
            images, indexes: split.train, classes: classes, hyperparameters: hyper,
            zeroPoints: configuration.zeroPoints)
        let teacher: FloatClassifier
        do {
            teacher = try FloatClassifier(
                architecture: model.architecture, preprocessing: model.preprocessing, parameters: model.parameters,
                workers: workers, batch: batch, executor: configuration.executor ?? .portable)
        } catch {
            throw .run(error)
        }
        let tuner = try FineTuner(
            quantization, batch: batch, kind: configuration.executor ?? .portable, workers: workers)
        let stepsPerEpoch = (split.train.count + batch - 1) / batch
        let total = stepsPerEpoch * settings.epochs
        var best = quantization
        var mostCorrect = correct(quantization.model)
        observe(.epoch(0, correct: mostCorrect))
        for epoch in 0..<settings.epochs {
            let order = source.order(epoch: hyper.epochs + epoch)
            var lossSum: Float = 0
            for step in 0..<stepsPerEpoch {
                let chosen = order[(step * batch)..<min((step + 1) * batch, order.count)]
                let loaded = source.batch(chosen, epoch: hyper.epochs + epoch, step: step)
                let share = Double(epoch * stepsPerEpoch + step) / Double(total)
                lossSum += try tuner.step(
                    pixels: loaded.pixels, targets: try targets(loaded, classes, teacher),
                    images: loaded.labels.count,
                    learningRate: settings.learningRate * Float(0.5 + 0.5 * cos(share * Double.pi)))
                observe(.step(epoch * stepsPerEpoch + step + 1, of: total, loss: lossSum / Float(step + 1)))
            }
            let model = try FakeQuantizedNetwork.model(
                quantization.model, parameters: try tuner.parameters(), weightLevels: quantization.weightLevels)
            let right = correct(model)
            observe(.epoch(epoch + 1, correct: right))
            if right > mostCorrect {
                mostCorrect = right
                best = quantization.with(model)
            }
        }
        return best
    }

    private func correct(_ model: QuantizedModel) -> Int {
        IntegerClassifier(model, workers: workers).evaluate(validation).correct
    }

    /// Labels, or the rows of a mixed batch, and the answers of the float network, by their shares.
    private func targets(_ batch: Batch, _ classes: Int, _ teacher: FloatClassifier) throws(ExportError) -> [Float] {
        var rows = batch.targets ?? [Float](repeating: 0, count: batch.labels.count * classes)
        if batch.targets == nil {
            for (image, label) in batch.labels.enumerated() { rows[image * classes + Int(label)] = 1 }
        }
        guard settings.teacherShare > 0 else { return rows }
        let logits = try teacher.exportLogits(
            LabelledImages(geometry: images.geometry, pixels: batch.pixels, targets: batch.labels))
        for image in batch.labels.indices {
            let row = (image * classes)..<((image + 1) * classes)
            let probabilities = Prediction.softmax(logits[row])
            for (place, probability) in zip(row, probabilities) {
                rows[place] += settings.teacherShare * (probability - rows[place])
            }
        }
        return rows
    }
}

extension Quantization {
    /// The same scales with another model.
    func with(_ model: QuantizedModel) -> Quantization {
        Quantization(
            model: model, layers: layers, steps: steps, operands: operands,
            unrounded: FakeQuantizedNetwork.parameters(model), weightLevels: weightLevels)
    }
}

extension Prediction {
    /// Probabilities of real logits.
    fileprivate static func softmax(_ logits: ArraySlice<Float>) -> [Float] {
        let largest = logits.max() ?? 0
        let powers = logits.map { Scalar.exp($0 - largest) }
        let total = powers.reduce(0, +)
        return powers.map { $0 / total }
    }
}
