import Autodiff

/// What a training step does besides the gradient and the optimizer's rule.
public struct StepOptions: Equatable, Sendable {
    /// How much of each target is spread evenly over all classes.
    public var labelSmoothing: Float = 0
    /// Longest gradient, all parameters taken together; longer ones are shortened to it.
    public var maximumGradientNorm: Float?

    public init(labelSmoothing: Float = 0, maximumGradientNorm: Float? = nil) {
        self.labelSmoothing = labelSmoothing
        self.maximumGradientNorm = maximumGradientNorm
    }
}

/// The graph of one training step.
package struct TrainingGraph {
    package let graph = Graph()
    package let images: Value
    package let targets: Value
    /// 1 / images of the batch.
    package let weight: Value
    /// A number that changes from step to step, for dropout.
    package let counter: Value?
    package let parameters: [Value]
    package let logits: Value
    package let loss: Value
    package let gradients: [Value]
    /// Of the batch, in the order of `Network.state`.
    package let statistics: [Value]

    /// - Parameter seed: of dropout.
    package init(_ network: Network, batch: Int, seed: UInt64 = 0) {
        let a = network.architecture
        images = graph.input([batch, a.inputHeight, a.inputWidth, a.inputChannels])
        targets = graph.input([batch, a.classes])
        weight = graph.input(.scalar)
        parameters = network.parameterValues(in: graph)
        counter = network.hasDropout ? graph.input(.scalar) : nil
        let pass = network.forward(
            input: images, parameters: parameters, .training(counter: counter, seed: seed ^ 0xD20_0007))
        logits = pass.logits
        statistics = pass.statistics
        loss = -(sum(targets * logSoftmax(logits)) * weight)
        gradients = Autodiff.gradients(of: loss, withRespectTo: parameters)
    }

    /// Writes what a step of `images` takes besides pixels and targets; `buffer` finds the numbers of a value.
    package func prepare(images: Int, steps: Int, _ buffer: (Value) -> UnsafeMutableBufferPointer<Float>) {
        buffer(weight)[0] = 1 / Float(images)
        if let counter { buffer(counter)[0] = Float(steps) }
    }

    /// What a step that has run says of the images with these labels.
    package func outcome(
        _ labels: UnsafeBufferPointer<UInt8>, classes: Int, _ buffer: (Value) -> UnsafeMutableBufferPointer<Float>
    ) -> SharedStep {
        var step = SharedStep(images: labels.count)
        step.loss = buffer(loss)[0]
        step.correct = countCorrect(logits: buffer(logits), labels: labels, classes: classes)
        return step
    }

    package func plan() throws(AutodiffError) -> Plan {
        var outputs = [loss, logits, images, targets, weight] + parameters + gradients + statistics
        if let counter { outputs.append(counter) }
        return try Plan(graph, outputs: outputs)
    }
}

/// Writes one row for each image with 1 at its class, smoothed; rows of zeros for images that the batch lacks: they
/// weigh nothing.
package func writeTargets(
    _ labels: UnsafeBufferPointer<UInt8>, classes: Int, _ smoothing: Float,
    to targets: UnsafeMutableBufferPointer<Float>
) throws(LearnerError) {
    targets.update(repeating: 0)
    let share = smoothing / Float(classes)
    for index in 0..<labels.count {
        let label = labels[index]
        guard Int(label) < classes else { throw .label(index: index, label: label, classes: classes) }
        if smoothing != 0 { for c in 0..<classes { targets[index * classes + c] = share } }
        targets[index * classes + Int(label)] = 1 - smoothing + share
    }
}

/// How many rows of logits have their largest number, the first of equals, at the label.
package func countCorrect(
    logits: UnsafeMutableBufferPointer<Float>, labels: UnsafeBufferPointer<UInt8>, classes: Int
) -> Int {
    var correct = 0
    for index in 0..<labels.count {
        var best = 0
        for c in 1..<max(1, classes) where logits[index * classes + c] > logits[index * classes + best] { best = c }
        if best == Int(labels[index]) { correct += 1 }
    }
    return correct
}

/// Scales gradients so that their Euclidean norm, all taken together, is at most `maximum`; gives the norm before.
///
/// As PyTorch does: times min(1, maximum / (norm + 10⁻⁶)). Squares are summed in order, in Double.
@discardableResult
package func clip(_ gradients: [UnsafeMutableBufferPointer<Float>], toNorm maximum: Float) -> Float {
    var total = 0.0
    for gradient in gradients {
        for i in 0..<gradient.count { total += Double(gradient[i]) * Double(gradient[i]) }
    }
    let norm = total.squareRoot()
    let factor = Float(Double(maximum) / (norm + 1e-6))
    if factor < 1 {
        for gradient in gradients {
            for i in 0..<gradient.count { gradient[i] *= factor }
        }
    }
    return Float(norm)
}

/// Checks arrays that come from a file against the sizes of the network.
package func check(_ arrays: [[Float]], _ counts: [Int]) throws(LearnerError) {
    guard arrays.count == counts.count else {
        throw .parameters(array: -1, expected: counts.count, found: arrays.count)
    }
    for index in 0..<counts.count where arrays[index].count != counts[index] {
        throw .parameters(array: index, expected: counts[index], found: arrays[index].count)
    }
}

/// Copies an array whose size was checked.
func copy(_ array: [Float], to target: UnsafeMutableBufferPointer<Float>) {
    precondition(array.count == target.count)
    for i in 0..<array.count { target[i] = array[i] }
}
