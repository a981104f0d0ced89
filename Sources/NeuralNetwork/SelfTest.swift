import Kernels

/// Trains a preset on made-up images: the same bits on every machine, so that builds can be compared.
public enum SelfTest {
    /// Images of one step.
    public static let batch = 8

    /// The hash of the weights after some steps on random 28 by 28 images, everything drawn from one seed.
    public static func weightHash(
        preset: Preset, steps: Int, seed: UInt64, workers: Workers = .serial
    ) throws(LearnerError) -> [UInt8] {
        let architecture = preset.architecture(height: 28, width: 28, channels: 1, classes: 10)
        guard let network = try? Network(architecture) else { return [] }
        let learner = try Learner(
            network: network, preprocessing: Preprocessing(zeroPoints: [73], scale: 1.0 / 90), batch: batch,
            optimizer: SGD(learningRate: 0.05, momentum: 0.9, weightDecay: 0.0005), seed: seed,
            workers: workers)
        var random = SplitMix64(seed: seed ^ 0x5EED)
        var pixels = [UInt8](repeating: 0, count: batch * architecture.inputCount)
        var labels = [UInt8](repeating: 0, count: batch)
        for _ in 0..<steps {
            for i in 0..<pixels.count { pixels[i] = UInt8(truncatingIfNeeded: random.next() >> 56) }
            for i in 0..<batch {
                labels[i] = UInt8(truncatingIfNeeded: random.index(below: architecture.classes))
            }
            _ = try pixels.withUnsafeBufferPointer { pixels throws(LearnerError) in
                try labels.withUnsafeBufferPointer { labels throws(LearnerError) in
                    try learner.step(pixels: pixels, labels: labels)
                }
            }
        }
        return learner.weightHash()
    }
}
