import Kernels

/// One class of an answer.
public struct Prediction: Equatable, Sendable {
    public let index: Int
    public let logit: Int32
    /// Softmax over all classes of `logit * logitScale`.
    public let probability: Float

    /// The `count` best classes, highest logit first, ties by lowest index.
    public static func ranked(logits: [Int32], logitScale: Float, top count: Int) -> [Prediction] {
        fatalError("pending")
    }

    /// The index of the highest logit, the lowest on ties.
    public static func best(logits: ArraySlice<Int32>) -> Int {
        fatalError("pending")
    }
}
