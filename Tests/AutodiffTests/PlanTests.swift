import Autodiff
import Kernels
import Testing

@Suite struct PlanTests {
    /// A chain of elementwise ops lives in two places: the leaf's, and one that every op overwrites.
    @Test func elementwiseOpsOverwriteWhatNobodyReads() throws {
        let graph = Graph()
        let x = graph.input([1000])
        var y = x
        for _ in 0..<10 { y = relu(-y) }
        let plan = try Plan(graph, outputs: [y])
        #expect(plan.steps.count == 20)
        #expect(Set(plan.steps.map(\.output)).count == 1)
        #expect(plan.arenaCount < 2100)
        let executor = PortableExecutor(plan)
        try executor.write((0..<1000).map { Float($0) - 500 }, to: x)
        executor.run()
        #expect(executor.read(y)[3] == 0 && executor.read(x)[3] == -497)
    }

    @Test func whatNoOutputNeedsIsDropped() throws {
        let graph = Graph()
        let x = graph.input([4])
        _ = exp(x) + log(x)
        let y = x * x
        #expect(try Plan(graph, outputs: [y]).steps.map(\.op) == [.multiply])
        #expect(try Plan(graph, outputs: [x]).steps.isEmpty)
    }

    @Test func viewsShareMemoryAndKeepItAlive() throws {
        let graph = Graph()
        let x = graph.input([2, 3])
        let doubled = x + x
        let view = reshape(doubled, [6])
        let negated = -doubled
        let total = reshape(negated, [6]) * view
        let plan = try Plan(graph, outputs: [total])
        #expect(!plan.steps.contains { $0.op == .reshape })
        let executor = PortableExecutor(plan)
        try executor.write([1, 2, 3, 4, 5, 6], to: x)
        executor.run()
        #expect(executor.read(total) == [-4, -16, -36, -64, -100, -144])
    }

    /// Leaves and outputs survive a run, so that the next one gives the same.
    @Test(arguments: OpCase.all) func runsRepeat(_ testCase: OpCase) throws {
        let graph = Graph()
        let leaves = testCase.shapes.map { graph.parameter(Shape($0)) }
        let result = testCase.build(leaves)
        let slopes = gradients(of: sum(result), withRespectTo: leaves)
        let executor = PortableExecutor(
            try Plan(graph, outputs: [result] + slopes + leaves), workers: .threads(2))
        let numbers = testCase.leaves()
        for (leaf, array) in zip(leaves, numbers) { try executor.write(array, to: leaf) }
        executor.run()
        let first = ([result] + slopes).map { executor.read($0) }
        executor.run()
        #expect(([result] + slopes).map { executor.read($0) } == first)
        #expect(leaves.map { executor.read($0) } == numbers)
        #expect(try evaluate(result, Array(zip(leaves, numbers))) == first[0])
    }

    /// Memory is used again: a deep network needs far less than all of its results together.
    @Test func arenaIsSmallerThanAllResults() throws {
        let graph = Graph()
        let x = graph.input([8, 16, 16, 4])
        let filters = (0..<6).map { _ in graph.parameter([3, 3, 4, 4]) }
        var y = x
        for filter in filters { y = conv2d(y, filter, padding: 1) * 0.5 }
        let plan = try Plan(graph, outputs: [sum(y)])
        let all = plan.steps.reduce(0) { $0 + $1.shape.count }
        #expect(plan.arenaCount < all / 2)
        #expect(plan.arenaBytes == plan.arenaCount * 4)
    }

    @Test func constantsNeedNoFeeding() throws {
        let graph = Graph()
        #expect(try evaluate(graph.constant(3) * 2 + 1) == [7])
        let x = graph.input([3])
        #expect(try evaluate(exp(x), [(x, [0, 0, 0])]) == [1, 1, 1])
    }
}

@Suite struct GraphErrorTests {
    private typealias Build = @Sendable (Graph) -> Value

    private static let faults: [(ShapeFault, Build)] = [
        (.broadcast, { $0.input([2, 3]) + $0.input([2]) }),
        (.broadcast, { broadcast($0.input([2, 3]), to: [3, 2]) }),
        (.broadcast, { broadcast($0.input([2, 3]), to: [3]) }), (.count, { reshape($0.input([2, 3]), [5]) }),
        (.axes, { sum($0.input([2]), axes: [1]) }), (.axes, { transpose($0.input([2, 2]), [0, 0]) }),
        (.axes, { transpose($0.input([2, 2]), [0]) }), (.rank, { matmul($0.input([2]), $0.input([2, 2])) }),
        (.inner, { matmul($0.input([2, 3]), $0.input([2, 3])) }),
        (.bias, { matmul($0.input([2, 3]), $0.input([3, 4]), bias: $0.input([3])) }),
        (.rank, { conv2d($0.input([4, 4]), $0.input([3, 3, 1, 1])) }),
        (.inner, { conv2d($0.input([1, 4, 4, 2]), $0.input([3, 3, 1, 1])) }),
        (.padding, { conv2d($0.input([1, 4, 4, 1]), $0.input([3, 3, 1, 1]), padding: 3) }),
        (.padding, { conv2d($0.input([1, 4, 4, 1]), $0.input([3, 3, 1, 1]), stride: 0) }),
        (.window, { conv2d($0.input([1, 2, 4, 1]), $0.input([3, 3, 1, 1])) }),
        (.bias, { conv2d($0.input([1, 4, 4, 1]), $0.input([3, 3, 1, 2]), $0.input([1])) }),
        (.window, { maxPool2d($0.input([1, 2, 4, 1]), window: 3, stride: 1) }),
        (.window, { maxPool2d($0.input([1, 2, 4, 1]), window: 2, stride: 0) }),
        (.rank, { maxPool2d($0.input([2, 4]), window: 2, stride: 2) }), (.rank, { softmax($0.input([])) }),
        (.rank, { logSoftmax($0.input([])) }),
        (.groups, { conv2d($0.input([1, 4, 4, 4]), $0.input([3, 3, 2, 3]), groups: 2) }),
        (.groups, { conv2d($0.input([1, 4, 4, 3]), $0.input([3, 3, 1, 4]), groups: 2) }),
        (.groups, { conv2d($0.input([1, 4, 4, 1]), $0.input([3, 3, 1, 1]), dilation: 0) }),
        (.inner, { conv2d($0.input([1, 4, 4, 4]), $0.input([3, 3, 4, 4]), groups: 2) }),
        (.window, { conv2d($0.input([1, 4, 4, 1]), $0.input([3, 3, 1, 1]), dilation: 2) }),
        (.padding, { conv2d($0.input([1, 4, 4, 1]), $0.input([2, 2, 1, 1]), padding: 3, dilation: 2) }),
        (.broadcast, { matmul($0.input([2, 3, 4]), $0.input([3, 4, 5])) }),
        (.rank, { matmul($0.input([2, 3, 4]), $0.input([4, 5])) }),
        (.bias, { batchNorm($0.input([4, 3]), scale: $0.input([4]), shift: $0.input([3])).value }),
        (.rank, { batchNorm($0.input([3]), scale: $0.input([3]), shift: $0.input([3])).value }),
        (.bounds, { slice($0.input([3, 4]), [0..<3, 2..<5]) }), (.bounds, { slice($0.input([3]), [1..<1]) }),
        (.rank, { slice($0.input([3, 4]), [0..<3]) }), (.padding, { pad($0.input([3]), before: [-1], after: [0]) }),
        (.axes, { concatenate([$0.input([2]), $0.input([2])], axis: 1) }),
        (.broadcast, { concatenate([$0.input([2, 3]), $0.input([2, 4])], axis: 0) }),
        (.broadcast, { select($0.input([2]), $0.input([3]), $0.input([3])) }),
        (.axes, { max($0.input([2]), axes: [2]) }), (.rank, { gather($0.input([2]), $0.input([1, 1])) }),
        (.window, { averagePool2d($0.input([1, 2, 2, 1]), window: 3, stride: 1) }),
        (.rank, { globalAveragePool($0.input([2, 3])) }),
    ]

    /// The plan throws the first fault with its layer; recording goes on after it, gradients included.
    @Test(arguments: faults.indices) func shapesThatDoNotFitAreReported(_ index: Int) {
        let (fault, build) = GraphErrorTests.faults[index]
        let graph = Graph()
        graph.layer = 4
        let value = build(graph)
        graph.layer = 5
        let parameter = graph.parameter([7])
        _ = gradients(of: sum(value) + sum(parameter), withRespectTo: [parameter])
        _ = graph.input([2]) + graph.input([3])
        do {
            _ = try Plan(graph, outputs: [value])
            Issue.record("no error")
        } catch {
            guard case .shape(_, let found, _, _, let layer) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(found == fault && layer == 4)
        }
    }

    @Test func bothShapesAreNamed() {
        let graph = Graph()
        let value = matmul(graph.input([2, 3]), graph.input([4, 5]))
        let expected = AutodiffError.shape(
            op: .matmul(transposeA: false, transposeB: false), .inner, left: [2, 3], right: [4, 5], layer: -1)
        #expect(throws: expected) { try Plan(graph, outputs: [value]) }
    }

    @Test func gradientsAreOfScalars() {
        let graph = Graph()
        let x = graph.parameter([2])
        let slopes = gradients(of: x * x, withRespectTo: [x])
        #expect(throws: AutodiffError.notScalar([2])) { try Plan(graph, outputs: slopes) }
    }

    @Test func writingTheWrongNumberIsRefused() throws {
        let graph = Graph()
        let x = graph.input([2])
        #expect(throws: AutodiffError.count(expected: 2, found: 3)) { try evaluate(x * x, [(x, [1, 2, 3])]) }
    }

    @Test func independentValuesHaveGradientZero() throws {
        let graph = Graph()
        let x = graph.parameter([2])
        let y = graph.parameter([3])
        let slopes = gradients(of: sum(x), withRespectTo: [x, y, x])
        #expect(try evaluate(slopes[0]) == [1, 1])
        #expect(try evaluate(slopes[1]) == [0, 0, 0])
        #expect(try evaluate(slopes[2]) == [1, 1])
    }
}

@Suite struct ShapeTests {
    @Test(arguments: [
        ([2, 3], [3], [2, 3]), ([2, 1], [1, 3], [2, 3]), ([], [4], [4]), ([1], [1, 1], [1, 1]),
        ([5, 1, 2], [3, 1], [5, 3, 2]),
    ])
    func broadcasting(_ a: [Int], _ b: [Int], _ expected: [Int]) {
        #expect(Shape(a).broadcast(with: Shape(b)) == Shape(expected))
        #expect(Shape(b).broadcast(with: Shape(a)) == Shape(expected))
    }

    @Test func basics() throws {
        let shape: Shape = [2, 3, 4]
        #expect(shape.count == 24 && shape.rank == 3 && shape[1] == 3 && shape.dimensions == [2, 3, 4])
        #expect(Shape.scalar.count == 1 && Shape([2]).broadcast(with: [3]) == nil && shape != [2, 3, 5])
        #expect(Shape([2, 1]) != [2])
        let permutation = try #require(Permutation([2, 0, 1]))
        #expect((0..<3).map { permutation[permutation.inverse[$0]] } == [0, 1, 2])
        #expect(Permutation([0, 2]) == nil && Permutation([1, 1]) == nil && Permutation([-1]) == nil)
    }
}
