import Autodiff
import Foundation
import Kernels
import NeuralNetwork

/// How well some logits fit the classes of some images.
public struct Evaluation: Equatable, Sendable, Codable {
    public let images: Int
    public let correct: Int
    /// Mean cross entropy.
    public let loss: Double
    /// `confusion[actual][predicted]`.
    public let confusion: [[Int]]

    public var accuracy: Double { images == 0 ? 0 : Double(correct) / Double(images) }

    /// Counts answers; the prediction is the highest logit, the lowest class on ties.
    public init(logits: [Float], targets: [UInt8], classes: Int) {
        precondition(logits.count == targets.count * classes, "one row of logits per image")
        var confusion = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
        var correct = 0
        var loss = 0.0
        for (image, target) in targets.enumerated() {
            let row = logits[(image * classes)..<((image + 1) * classes)]
            let predicted = Evaluation.best(row)
            confusion[Int(target)][predicted] += 1
            if predicted == Int(target) { correct += 1 }
            let highest = Double(row[row.startIndex + predicted])
            let sum = row.reduce(0.0) { $0 + exp(Double($1) - highest) }
            loss += highest + log(sum) - Double(row[row.startIndex + Int(target)])
        }
        images = targets.count
        self.correct = correct
        self.loss = targets.isEmpty ? 0 : loss / Double(targets.count)
        self.confusion = confusion
    }

    init(images: Int, correct: Int, loss: Double, confusion: [[Int]]) {
        self.images = images
        self.correct = correct
        self.loss = loss
        self.confusion = confusion
    }

    /// The position of the highest value, the first on ties.
    public static func best(_ row: ArraySlice<Float>) -> Int {
        var best = row.startIndex
        for index in row.indices where row[index] > row[best] { best = index }
        return best - row.startIndex
    }
}

/// Runs a network over many images without training it.
public final class FloatClassifier {
    private let evaluator: any EvaluationEngine
    /// May change between uses.
    public var parameters: [[Float]]
    private let batch: Int
    private let classes: Int

    public init(
        architecture: Architecture, preprocessing: Preprocessing, parameters: [[Float]], workers: Workers,
        batch: Int = 256, executor: ExecutorKind = .portable
    ) throws(RunError) {
        evaluator = try Engines.evaluator(
            executor, try Engines.network(architecture), preprocessing, batch: batch, workers: workers)
        self.batch = batch
        self.parameters = parameters
        classes = architecture.classes
    }

    /// One row of logits for each image; `progress` hears how many are done.
    public func logits(
        _ images: LabelledImages, progress: (Int) -> Void = { _ in }
    ) throws(RunError) -> [Float] {
        var logits: [Float] = []
        logits.reserveCapacity(images.count * classes)
        let size = images.geometry.byteCount
        let chunk = 4 * batch
        var start = 0
        while start < images.count {
            let count = min(chunk, images.count - start)
            do {
                logits += try images.pixels.withUnsafeBufferPointer { pixels throws(LearnerError) in
                    let part = UnsafeBufferPointer(
                        rebasing: pixels[(start * size)..<((start + count) * size)])
                    return try evaluator.logits(pixels: part, count: count, parameters: parameters)
                }
            } catch {
                throw .invalid(error.explanation)
            }
            start += count
            progress(start)
        }
        return logits
    }

    public func evaluate(
        _ images: LabelledImages, progress: (Int) -> Void = { _ in }
    ) throws(RunError) -> Evaluation {
        Evaluation(logits: try logits(images, progress: progress), targets: images.targets, classes: classes)
    }
}

extension NetworkError {
    /// One sentence that names the layer.
    public var explanation: String {
        switch self {
        case .geometry: "the network needs a positive input size and 1 to 256 classes"
        case .size(let layer, let setting): "layer \(layer): \(setting.explanation)"
        case .large(let layer):
            "layer \(layer) is too large: its weights, or what it gives for one image, are more than \(Int32.max) numbers"
        case .shape(let layer, let input, let fault):
            "layer \(layer) cannot take an input of shape \(input.dimensions): \(fault.advice(input: input))"
        case .logits(let expected, let found):
            "the last layer gives shape \(found.dimensions), expected one number for each of \(expected) classes"
        }
    }
}

extension LayerSetting {
    /// The rule.
    var explanation: String {
        switch self {
        case .padding: "the padding must be from 0 to \(LayerSetting.largest)"
        case .rate: "the rate must be at least 0 and less than 1"
        case .momentum: "the momentum must be above 0 and at most 1"
        case .epsilon: "epsilon must be above 0 and less than 1"
        case .branches: "branches must hold at least one list"
        case .filters, .kernel, .stride, .dilation, .groups, .units, .window:
            "\(self) must be from 1 to \(LayerSetting.largest)"
        }
    }
}

extension ShapeFault {
    /// The rule that a layer breaks, and what to change.
    func advice(input: Shape) -> String {
        switch self {
        case .padding: "padding must be less than what the kernel covers, dilation · (kernel − 1) + 1"
        case .groups: "groups must divide both the \(input[input.rank - 1]) channels that come in and the filters"
        case .window: "the kernel or window is larger than the image; choose a larger image or padding, or smaller strides before"
        case .broadcast:
            "the parts of a residual must give the same shape and branches the same height and width; "
                + "a projection with the strides and filters of the layers does that"
        case .rank where input.rank == 4: "it takes one row; put flatten or globalAveragePool before it"
        case .rank: "it takes images; put it before flatten, globalAveragePool or dense"
        default: "\(text)"
        }
    }
}

extension LearnerError {
    /// One sentence with the numbers.
    public var explanation: String {
        switch self {
        case .batch(let capacity, let pixels, let labels):
            "a batch of \(pixels) pixel bytes and \(labels) labels does not fit \(capacity) images"
        case .label(let index, let label, let classes):
            "image \(index) of a batch has class \(label), the network has \(classes) classes"
        case .preprocessing(let channels, let zeroPoints):
            "\(zeroPoints) zero points for \(channels) channels"
        case .parameters(let array, let expected, let found):
            "parameter \(array) has \(found) values, the network expects \(expected)"
        case .notFinite(let step): "the loss of step \(step) is not a number"
        case .graph(let error): "the network cannot be planned: \(error)"
        }
    }
}
