import Autodiff
import Testing

// The example of docs/models.md: a layer and a loss of one's own, made of existing ops; their gradients come by themselves.

/// Squeeze and excitation: each channel times a factor in 0...1 that depends on the means of all channels.
private func excite(_ x: Value, _ squeeze: Value, _ expand: Value) -> Value {
    let factors = sigmoid(matmul(relu(matmul(globalAveragePool(x), squeeze)), expand))
    return x * reshape(factors, [x.shape[0], 1, 1, x.shape[3]])
}

/// Focal loss: cross entropy that weighs images by how wrong they are, (1 − p)² for a right answer of probability p.
private func focalLoss(_ logits: Value, _ targets: Value) -> Value {
    let logarithms = logSoftmax(logits)
    let doubt = pow(1 - exp(logarithms), 2)
    return sum(targets * doubt * logarithms) * (-1 / Float(logits.shape[0]))
}

@Suite struct OwnLayerTests {
    @Test func aStepDownTheGradientLowersTheLoss() throws {
        let graph = Graph()
        let images = graph.input([2, 3, 3, 4])
        let targets = graph.input([2, 3])
        let weights = [graph.parameter([4, 2]), graph.parameter([2, 4]), graph.parameter([36, 3])]
        let logits = matmul(flatten(excite(images, weights[0], weights[1])), weights[2])
        let loss = focalLoss(logits, targets)
        let slopes = gradients(of: loss, withRespectTo: weights)

        var leaves: [(Value, [Float])] = [
            (images, (0..<72).map { Float($0 % 7) / 7 - 0.3 }), (targets, [1, 0, 0, 0, 0, 1]),
        ]
        leaves += weights.map { value in (value, (0..<value.shape.count).map { Float($0 % 5) / 5 - 0.35 }) }
        let before = try evaluate(loss, leaves)[0]
        let moved = try zip(leaves[2...], slopes).map { leaf, slope in
            (leaf.0, zip(leaf.1, try evaluate(slope, leaves)).map { $0 - 0.1 * $1 })
        }
        let after = try evaluate(loss, Array(leaves[..<2]) + moved)[0]
        #expect(before > 0 && after < before)
        #expect(try slopes.allSatisfy { try evaluate($0, leaves).contains { $0 != 0 } })
    }
}
