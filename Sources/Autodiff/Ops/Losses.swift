/// Mean over the batch of −Σ targets·log softmax(logits): the cross entropy.
///
/// *Shapes*: logits and targets [n, classes] → scalar; each row of targets is a distribution.
/// - Parameter labelSmoothing: how much of each target is spread evenly over all classes (Szegedy et al., 2016).
public func softmaxCrossEntropy(logits: Value, targets: Value, labelSmoothing: Float = 0) -> Value {
    let wanted = smoothed(targets, labelSmoothing)
    let total = sum(wanted * logSoftmax(logits))
    return total * (-1 / Float(logits.shape.rank == 2 ? logits.shape[0] : 1))
}

/// Rows of distributions with `amount` of each spread evenly over all classes; rows of zeros stay so.
package func smoothed(_ targets: Value, _ amount: Float) -> Value {
    if amount == 0 || targets.shape.rank == 0 { return targets }
    let last = targets.shape.rank - 1
    let even = sum(targets, axes: [last], keepDims: true) * (amount / Float(targets.shape[last]))
    return targets * (1 - amount) + even
}

/// The mean of (a − b)² over all elements, a scalar.
public func meanSquaredError(_ a: Value, _ b: Value) -> Value {
    let difference = a - b
    return mean(difference * difference)
}
