import Autodiff
import Kernels
import Testing

@Suite struct SelectionTests {
    private let large = [Float](repeating: 2, count: 20_000)

    /// Drops the asked share, scales the rest, and gives the same again for the same counter, with any threads.
    @Test func dropoutIsAFunctionOfSeedAndCounter() throws {
        func dropped(seed: UInt64, counter: Float, _ workers: Workers = .serial) throws -> [Float] {
            let graph = Graph()
            let x = graph.input([20_000])
            let step = graph.input(.scalar)
            let y = dropout(x, rate: 0.3, seed: seed, counter: step)
            let executor = PortableExecutor(try Plan(graph, outputs: [y, x, step]), workers: workers)
            try executor.write(large, to: x)
            try executor.write([counter], to: step)
            executor.run()
            return executor.read(y)
        }
        let first = try dropped(seed: 1, counter: 0)
        let zeros = first.filter { $0 == 0 }.count
        // Five standard deviations of a binomial with 20,000 trials.
        #expect(abs(Double(zeros) - 6000) < 5 * (20_000 * 0.3 * 0.7).squareRoot())
        #expect(first.allSatisfy { $0 == 0 || $0 == 2 * (1 / (1 - Float(0.3))) })
        #expect(try dropped(seed: 1, counter: 0, .threads(3)) == first)
        #expect(try dropped(seed: 1, counter: 1) != first)
        #expect(try dropped(seed: 2, counter: 0) != first)
    }

    /// Ties go to even numbers, large numbers and what is no number stay, and gradients pass.
    @Test func roundsToEvenAndPassesGradients() throws {
        let numbers: [Float] = [
            0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.499_999_97, -0.500_000_06, 4_194_303.5, 8_388_607.5, 8_388_609,
            -8_388_609, 16_777_218, 1e30, -1e30, .infinity, -.infinity, 1e-40,
        ]
        let graph = Graph()
        let x = graph.parameter([numbers.count])
        let y = round(x)
        #expect(try evaluate(y, [(x, numbers)]) == numbers.map { $0.rounded(.toNearestOrEven) })
        #expect(try evaluate(y, [(x, numbers.map { $0 * .nan })]).allSatisfy { $0.isNaN })
        let gradient = gradients(of: sum(round(clamp(x, -2.4, 2.4)) * 3), withRespectTo: [x])[0]
        #expect(try evaluate(gradient, [(x, numbers)]) == numbers.map { abs($0) < 2.4 ? 3 : 0 })
    }

    @Test func whatIsNotChosenHasNoEffect() throws {
        let graph = Graph()
        let x = graph.parameter([3])
        let guarded = select(x, log(x), graph.constant(-1))
        #expect(try evaluate(guarded, [(x, [1, 0, -2])]) == [0, -1, -1])
    }

    @Test func tiesShareTheGradientOfTheMaximum() throws {
        let graph = Graph()
        let x = graph.parameter([2, 3])
        let slope = gradients(of: sum(max(x, axes: [1])), withRespectTo: [x])[0]
        #expect(try evaluate(slope, [(x, [1, 3, 3, 5, 2, 4])]) == [0, 0.5, 0.5, 1, 0, 0])
    }

    @Test func indicesThatDoNotExistAreNoticed() throws {
        let graph = Graph()
        let x = graph.parameter([2, 2])
        let indices = graph.input([3])
        let rows = gather(x, indices)
        let slope = gradients(of: sum(rows), withRespectTo: [x])[0]
        let leaves: [(Value, [Float])] = [(x, [1, 2, 3, 4]), (indices, [1, 2, -1])]
        let found = try evaluate(rows, leaves)
        #expect(Array(found[..<2]) == [3, 4] && found[2...].allSatisfy { $0.isNaN })
        #expect(try evaluate(slope, leaves) == [0, 0, 1, 1])
    }

    /// Batch normalisation gives each channel mean 0 and variance 1.
    @Test func batchNormCentresAndScales() throws {
        let graph = Graph()
        let x = graph.input([50, 3])
        let result = batchNorm(
            x, scale: broadcast(graph.constant(1), to: [3]), shift: broadcast(graph.constant(0), to: [3]))
        var random = SplitMix64(seed: 4)
        let numbers = (0..<150).map { random.normal() * 3 + Float($0 % 3) * 100 }
        let means = try evaluate(mean(result.value, axes: [0]), [(x, numbers)])
        let spreads = try evaluate(variance(result.value, axes: [0]), [(x, numbers)])
        #expect(means.allSatisfy { abs($0) < 1e-4 } && spreads.allSatisfy { abs($0 - 1) < 1e-3 })
        #expect(abs(try evaluate(result.mean, [(x, numbers)])[2] - 200) < 3)
    }
}
