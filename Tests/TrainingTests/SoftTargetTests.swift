import Acceleration
import Kernels
import NeuralNetwork
import Testing
import Training

/// Steps on rows of class weights, on both executors.
@Suite struct SoftTargetTests {
    private static let pixels = (0..<3 * 144).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 11) }

    private static func engine(_ kind: ExecutorKind) throws -> any TrainingEngine<SGD> {
        let architecture = TrainingLoopTests.small(
            Preset.convnet.architecture(height: 12, width: 12, channels: 1, classes: 4))
        let (network, preprocessing) = (
            try Network(architecture), Preprocessing(zeroPoints: [90], scale: 0.01)
        )
        let optimizer = SGD(learningRate: 0.1)
        return switch kind {
        case .portable:
            try Learner(
                network: network, preprocessing: preprocessing, batch: 4, optimizer: optimizer, seed: 1)
        case .accelerated:
            try AcceleratedLearner(
                network: network, preprocessing: preprocessing, batch: 4, optimizer: optimizer, seed: 1,
                threads: 1)
        }
    }

    private static func step(_ kind: ExecutorKind, _ labels: [UInt8], _ rows: [Float]?) throws -> (
        Float, [[Float]]
    ) {
        let engine = try engine(kind)
        let result = try pixels.withUnsafeBufferPointer { pixels in
            try labels.withUnsafeBufferPointer { labels in
                guard let rows else { return try engine.step(pixels: pixels, labels: labels) }
                return try rows.withUnsafeBufferPointer {
                    try engine.step(pixels: pixels, labels: labels, targets: $0)
                }
            }
        }
        return (result.loss, engine.parameters)
    }

    @Test(arguments: ExecutorKind.allCases) func oneHotRowsAreLabels(kind: ExecutorKind) throws {
        let rows: [Float] = [0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0]
        let (hard, soft) = (
            try SoftTargetTests.step(kind, [1, 3, 0], nil), try SoftTargetTests.step(kind, [1, 3, 0], rows)
        )
        #expect(hard.0 == soft.0)
        #expect(hard.1 == soft.1)
    }

    /// The loss is linear in the rows.
    @Test(arguments: ExecutorKind.allCases) func mixedRowsMixLosses(kind: ExecutorKind) throws {
        let first = try SoftTargetTests.step(kind, [1, 1, 1], nil).0
        let second = try SoftTargetTests.step(kind, [2, 2, 2], nil).0
        let row: [Float] = [0, 0.75, 0.25, 0]
        let mixed = try SoftTargetTests.step(kind, [1, 1, 1], row + row + row).0
        #expect(abs(mixed - (0.75 * first + 0.25 * second)) < 1e-5)
    }

    @Test(arguments: ExecutorKind.allCases) func refusesRowsOfAnotherSize(kind: ExecutorKind) throws {
        #expect(throws: LearnerError.batch(capacity: 4, pixels: 432, labels: 3)) {
            try SoftTargetTests.step(kind, [1, 1, 1], [1, 0, 0, 0])
        }
    }
}
