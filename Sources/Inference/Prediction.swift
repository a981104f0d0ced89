import Kernels

/// One class of an answer.
public struct Prediction: Equatable, Sendable {
    public let index: Int
    public let logit: Int32
    /// Softmax over all classes of `logit * logitScale`.
    public let probability: Float

    /// The `count` best classes (all of them if there are fewer), highest logit first, ties by lowest index.
    public static func ranked(logits: [Int32], logitScale: Float, top count: Int) -> [Prediction] {
        guard let highest = logits.max() else { return [] }
        var total: Float = 0
        var weights: [Float] = []
        for logit in logits {
            // In 64 bits, for the difference of two 32-bit numbers.
            let weight = Scalar.exp(Float(Int64(logit) - Int64(highest)) * logitScale)
            weights.append(weight)
            total += weight
        }
        var order = [Int](0..<logits.count)
        order.sort { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
        var answers: [Prediction] = []
        for index in order.prefix(max(count, 0)) {
            answers.append(
                Prediction(index: index, logit: logits[index], probability: weights[index] / total))
        }
        return answers
    }

    /// The place of the highest logit within the slice, the lowest on ties; 0 for none.
    public static func best(logits: ArraySlice<Int32>) -> Int {
        var best = logits.startIndex
        for i in logits.indices where logits[i] > logits[best] { best = i }
        return best - logits.startIndex
    }
}
