import Autodiff
import Foundation
import Testing

/// One entry of Tests/Vectors/ops.json, made by scripts/pytorch-vectors.py.
struct OpVector: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let shapes: [[Int]]
    let leaves: [[Float]]
    let resultShape: [Int]
    let result: [Double]
    let cotangent: [Float]
    let gradients: [[Double]]
    var testDescription: String { name }

    static let all: [OpVector] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Vectors/ops.json")
        guard let data = try? Data(contentsOf: file) else { return [] }
        return (try? JSONDecoder().decode([OpVector].self, from: data)) ?? []
    }()

    /// The same function, in this package's words; nil for a name that it does not know.
    func build(_ x: [Value]) -> Value? {
        switch name {
        case "add": x[0] + x[1]
        case "subtract": x[0] - x[1]
        case "multiply": x[0] * x[1]
        case "divide": x[0] / x[1]
        case "negate": -x[0]
        case "exp": exp(x[0])
        case "log": log(x[0])
        case "sqrt": sqrt(x[0])
        case "relu": relu(x[0])
        case "sum": sum(x[0], axes: [0, 2])
        case "mean": mean(x[0], axes: [1], keepDims: true)
        case "broadcast": broadcast(x[0], to: [2, 3, 4])
        case "reshape": reshape(x[0], [2, 6])
        case "transpose": transpose(x[0], [2, 0, 1])
        case "matmul": matmul(x[0], x[1], bias: x[2])
        case "matmul tn": matmul(x[0], x[1], transposeA: true)
        case "matmul nt": matmul(x[0], x[1], transposeB: true)
        case "matmul tt": matmul(x[0], x[1], transposeA: true, transposeB: true)
        case "conv2d": conv2d(x[0], x[1], x[2])
        case "conv2d padding 2": conv2d(x[0], x[1], x[2], padding: 2)
        case "conv2d stride 2 padding 1": conv2d(x[0], x[1], stride: 2, padding: 1)
        case "conv2d stride 3": conv2d(x[0], x[1], stride: 3)
        case "maxPool2d 2/2": maxPool2d(x[0], window: 2, stride: 2)
        case "maxPool2d 3/2": maxPool2d(x[0], window: 3, stride: 2)
        case "softmax": softmax(x[0])
        case "logSoftmax": logSoftmax(x[0])
        case "cross entropy": softmaxCrossEntropy(logits: x[0], targets: x[1])
        case "smoothed cross entropy":
            softmaxCrossEntropy(
                logits: x[0], targets: x[1] / sum(x[1], axes: [1], keepDims: true), labelSmoothing: 0.1)
        case "mean squared error": meanSquaredError(x[0], x[1])
        default: buildActivation(x) ?? buildPart(x) ?? buildLayer(x)
        }
    }
}

extension OpVector {
    private func buildActivation(_ x: [Value]) -> Value? {
        switch name {
        case "sigmoid": sigmoid(x[0])
        case "tanh": tanh(x[0])
        case "erf": erf(x[0])
        case "gelu": gelu(x[0])
        case "silu": silu(x[0])
        case "relu6": relu6(x[0])
        case "hardSwish": hardSwish(x[0])
        case "clamp": clamp(x[0], -0.4, 0.5)
        case "pow 3": pow(x[0], 3)
        case "pow 2.5": pow(x[0], 2.5)
        case "abs": abs(x[0])
        default: nil
        }
    }

    private func buildPart(_ x: [Value]) -> Value? {
        switch name {
        case "select": select(x[0], x[1], x[2])
        case "maximum": maximum(x[0], x[1])
        case "max": max(x[0], axes: [0, 2])
        case "min": min(x[0], axes: [1], keepDims: true)
        case "variance": variance(x[0], axes: [0, 2])
        case "variance unbiased": variance(x[0], axes: [1], unbiased: true)
        case "concatenate": concatenate(x, axis: 1)
        case "pad": pad(x[0], before: [0, 1, 1, 0], after: [0, 0, 2, 0])
        case "slice": slice(x[0], [1..<3, 2..<5])
        case "gather":
            gather(x[0], concatenate([4, 1, 4].map { reshape(x[0].graph.constant($0), [1]) }, axis: 0), axis: 1)
        case "batched matmul": matmul(x[0], x[1])
        default: nil
        }
    }

    private func buildLayer(_ x: [Value]) -> Value? {
        switch name {
        case "conv2d depthwise": conv2d(x[0], x[1], x[2], padding: 1, groups: 9)
        case "conv2d depthwise stride 2": conv2d(x[0], x[1], stride: 2, padding: 1, groups: 4)
        case "conv2d groups 2 dilation 2": conv2d(x[0], x[1], x[2], padding: 2, dilation: 2, groups: 2)
        case "averagePool2d 3/2": averagePool2d(x[0], window: 3, stride: 2)
        case "globalAveragePool": globalAveragePool(x[0])
        case "batchNorm": batchNorm(x[0], scale: x[1], shift: x[2]).value
        case "normalize": normalize(x[0], scale: x[1], shift: x[2], mean: x[3], variance: x[4])
        case "layerNorm": layerNorm(x[0], scale: x[1], shift: x[2])
        default: nil
        }
    }
}

@Suite struct OpVectorTests {
    @Test func vectorsAreThere() { #expect(OpVector.all.count == 59) }

    /// Results and gradients against PyTorch in float64; the bound grows with the number of summed terms.
    @Test(arguments: OpVector.all) func agreesWithPyTorch(_ vector: OpVector) throws {
        let graph = Graph()
        let leaves = vector.shapes.map { graph.parameter(Shape($0)) }
        let result = try #require(vector.build(leaves))
        #expect(result.shape == Shape(vector.resultShape))
        let cotangent = graph.input(result.shape)
        let found = gradients(of: sum(result * cotangent), withRespectTo: leaves)
        let executor = PortableExecutor(
            try Plan(graph, outputs: [result, cotangent] + leaves + found), workers: .threads(2))
        for (leaf, numbers) in zip(leaves, vector.leaves) { try executor.write(numbers, to: leaf) }
        try executor.write(vector.cotangent, to: cotangent)
        executor.run()
        let terms = vector.leaves.reduce(result.shape.count) { max($0, $1.count) } + 16
        compare(executor.read(result), vector.result, terms)
        for (gradient, expected) in zip(found, vector.gradients) {
            compare(executor.read(gradient), expected, terms)
        }
    }

    private func compare(_ found: [Float], _ expected: [Double], _ terms: Int) {
        #expect(found.count == expected.count)
        let tolerance = expected.reduce(1) { max($0, abs($1)) } * Double(terms) * Double(Float.ulpOfOne)
        for (a, b) in zip(found, expected) { #expect(abs(Double(a) - b) <= tolerance) }
    }
}
