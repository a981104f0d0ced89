import Acceleration
import Foundation
import Kernels
import NeuralNetwork

/// What computes a training step.
public enum ExecutorKind: String, Sendable, Codable, CaseIterable {
    /// The same bits everywhere, with any number of threads.
    case portable
    /// oneDNN: several times faster, equal within rounding.
    case accelerated

    /// What trains when nothing is chosen: accelerated where its library is.
    public static var usual: ExecutorKind { AccelerationSupport.isAvailable ? .accelerated : .portable }

    /// What runs a network that this executor trained: the portable one gives the same within rounding anywhere.
    var present: ExecutorKind { AccelerationSupport.isAvailable ? self : .portable }
}

/// Makes networks in training and in use for an executor.
enum Engines {
    static func learner(
        _ kind: ExecutorKind, _ network: Network, _ preprocessing: Preprocessing, batch: Int, optimizer: UpdateRule,
        seed: UInt64, workers: Workers
    ) throws(RunError) -> any TrainingEngine<UpdateRule> {
        do {
            switch kind {
            case .portable:
                return try Learner(
                    network: network, preprocessing: preprocessing, batch: batch, optimizer: optimizer,
                    seed: seed, workers: workers)
            case .accelerated:
                return try AcceleratedLearner(
                    network: network, preprocessing: preprocessing, batch: batch, optimizer: optimizer,
                    seed: seed, threads: workers.count)
            }
        } catch let error as LearnerError {
            throw .invalid(error.explanation)
        } catch let error as AccelerationError {
            if case .missing = error { throw .unavailable("\(error)") }
            throw .invalid("\(error)")
        } catch {
            throw .invalid("\(error)")
        }
    }

    static func evaluator(
        _ kind: ExecutorKind, _ network: Network, _ preprocessing: Preprocessing, batch: Int, workers: Workers
    ) throws(RunError) -> any EvaluationEngine {
        do {
            switch kind.present {
            case .portable:
                return try Evaluator(
                    network: network, preprocessing: preprocessing, batch: batch, workers: workers)
            case .accelerated:
                return try AcceleratedEvaluator(
                    network: network, preprocessing: preprocessing, batch: batch, threads: workers.count)
            }
        } catch let error as LearnerError {
            throw .invalid(error.explanation)
        } catch let error as AccelerationError {
            if case .missing = error { throw .unavailable("\(error)") }
            throw .invalid("\(error)")
        } catch {
            throw .invalid("\(error)")
        }
    }

    static func network(_ architecture: Architecture) throws(RunError) -> Network {
        do { return try Network(architecture) } catch { throw .invalid(error.explanation) }
    }
}

extension Network {
    /// Throws where a step of training, or use with 256 images at a time, needs more memory than the machine has.
    func check(batch: Int) throws(RunError) {
        let outputs = steps.map(\.shape.count)
        // Weights, their gradients and momenta, and what every layer gives; in use a layer and the next.
        let training = 3 * parameterCount + batch * outputs.reduce(0, +)
        let use = parameterCount + 256 * (outputs.max() ?? 0)
        let bytes = 4 * max(training, use)
        let memory = Int(ProcessInfo.processInfo.physicalMemory)
        guard bytes > memory else { return }
        let largest = steps.indices.max {
            outputs[$0] + parameterCount(ofStep: $0) < outputs[$1] + parameterCount(ofStep: $1)
        } ?? 0
        func gigabytes(_ bytes: Int) -> Int { (bytes + 999_999_999) / 1_000_000_000 }
        throw .invalid(
            "the network needs about \(gigabytes(bytes)) GB with \(batch) images a step, this machine has "
                + "\(gigabytes(memory)); the largest layer is \(steps[largest].layer) "
                + "(\(layerName(steps[largest].layer))); make it smaller, or --batch")
    }

    private func parameterCount(ofStep step: Int) -> Int {
        parameters[steps[step].parameters].reduce(0) { $0 + $1.count }
    }
}

extension TrainingEngine {
    /// Learns from a batch, with its rows of class weights where it has them.
    func step(_ batch: Batch) throws(LearnerError) -> StepResult {
        try batch.pixels.withUnsafeBufferPointer { pixels throws(LearnerError) in
            try batch.labels.withUnsafeBufferPointer { labels throws(LearnerError) in
                guard let targets = batch.targets else {
                    return try self.step(pixels: pixels, labels: labels)
                }
                return try targets.withUnsafeBufferPointer { targets throws(LearnerError) in
                    try self.step(pixels: pixels, labels: labels, targets: targets)
                }
            }
        }
    }
}
