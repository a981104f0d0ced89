import Autodiff
import Kernels
import Testing

/// A case with its graph, a scalar made of the result with fixed weights, and its derivatives.
private struct Recorded {
    let graph = Graph()
    let leaves: [Value]
    let numbers: [[Float]]
    let result: Value
    let scalar: Value
    let gradients: [Value]

    init(_ testCase: OpCase) {
        let graph = graph
        numbers = testCase.leaves()
        leaves = testCase.shapes.map { graph.parameter(Shape($0)) }
        result = testCase.build(leaves)
        scalar = Recorded.weighted(result)
        gradients = Autodiff.gradients(of: scalar, withRespectTo: leaves)
    }

    /// Σ (phase·xᵢ² + xᵢ): a scalar whose gradient differs from element to element, so that no error cancels.
    static func weighted(_ x: Value, phase: Float = 0.3) -> Value { sum(x * x * phase + x) }

    func reference(_ leaves: [[Double]]) -> ReferenceExecutor {
        var byPlace: [Int: [Double]] = [:]
        for (value, numbers) in zip(self.leaves, leaves) { byPlace[value.index] = numbers }
        return ReferenceExecutor(graph, leaves: byPlace)
    }

    func reference() -> ReferenceExecutor { reference(numbers.map { $0.map(Double.init) }) }

    /// The derivative of a scalar with respect to one number by central differences.
    func difference(_ value: Value, leaf: Int, _ place: Int) -> Double {
        let step = 1e-5
        var wide = numbers.map { $0.map(Double.init) }
        wide[leaf][place] += step
        let above = reference(wide)[value][0]
        wide[leaf][place] -= 2 * step
        return (above - reference(wide)[value][0]) / (2 * step)
    }
}

/// At most a dozen places of an array, spread out.
private func places(_ count: Int) -> [Int] { Array(stride(from: 0, to: count, by: max(1, count / 12))) }

@Suite struct AutodiffTests {
    /// The kernels against plain loops in Double; error bound from the number of additions and the largest magnitude.
    @Test(arguments: OpCase.all) func kernelsAgreeWithReference(_ testCase: OpCase) throws {
        let recorded = Recorded(testCase)
        let reference = recorded.reference()
        for workers in [Workers.serial, .threads(3)] {
            let outputs = [recorded.result] + recorded.gradients
            let executor = PortableExecutor(
                try Plan(recorded.graph, outputs: outputs + recorded.leaves), workers: workers)
            for (leaf, numbers) in zip(recorded.leaves, recorded.numbers) {
                try executor.write(numbers, to: leaf)
            }
            executor.run()
            for value in outputs {
                let expected = reference[value]
                let found = executor.read(value)
                #expect(found.count == expected.count)
                let scale = expected.reduce(1) { max($0, abs($1)) }
                let terms = Double(testCase.shapes.reduce(1) { max($0, $1.reduce(1, *)) })
                let tolerance = scale * (terms + 16) * Double(Float.ulpOfOne)
                for i in found.indices {
                    #expect(abs(Double(found[i]) - expected[i]) <= tolerance, "\(value.op) [\(i)]")
                }
            }
        }
    }

    @Test(arguments: OpCase.all) func gradientsAgreeWithCentralDifferences(_ testCase: OpCase) {
        let recorded = Recorded(testCase)
        let reference = recorded.reference()
        var compared = 0
        for (leaf, gradient) in recorded.gradients.enumerated() {
            #expect(gradient.shape == recorded.leaves[leaf].shape)
            for place in places(gradient.shape.count) {
                let difference = recorded.difference(recorded.scalar, leaf: leaf, place)
                let found = reference[gradient][place]
                #expect(abs(found - difference) <= 1e-6 * max(1, abs(difference)), "leaf \(leaf) [\(place)]")
                compared += 1
            }
        }
        #expect(compared > 0)
    }

    /// The gradient of a scalar made of all gradients.
    @Test(arguments: OpCase.all) func secondDerivativesAgreeWithCentralDifferences(_ testCase: OpCase) throws
    {
        let recorded = Recorded(testCase)
        var total = recorded.graph.constant(0)
        for gradient in recorded.gradients { total = total + Recorded.weighted(gradient, phase: 0.7) }
        let seconds = gradients(of: total, withRespectTo: recorded.leaves)
        #expect(recorded.graph.error == nil)
        let reference = recorded.reference()
        for (leaf, second) in seconds.enumerated() {
            for place in places(second.shape.count) {
                let difference = recorded.difference(total, leaf: leaf, place)
                let found = reference[second][place]
                #expect(
                    abs(found - difference) <= 2e-6 * max(1, abs(difference), abs(reference[total][0])),
                    "leaf \(leaf) [\(place)]")
            }
        }
        let executor = PortableExecutor(try Plan(recorded.graph, outputs: seconds + recorded.leaves))
        for (leaf, numbers) in zip(recorded.leaves, recorded.numbers) {
            try executor.write(numbers, to: leaf)
        }
        executor.run()
        for second in seconds {
            let expected = reference[second]
            let scale = expected.reduce(abs(reference[total][0])) { max($0, abs($1)) } + 1
            for (a, b) in zip(executor.read(second), expected) { #expect(abs(Double(a) - b) <= scale * 1e-4) }
        }
    }
}
