import Autodiff
import Kernels
import Testing

/// Numbers for the leaves of a case at which no ReLU, no limit and no maximum is nearly a tie.
///
/// Both executors round differently. Where the distance of a value from the threshold of a ReLU or a clamp, or the distance of a window's maximum from its
/// runner-up, is as small as that, the two decide differently, both rightly, and the gradients behind have nothing in
/// common. So images that stand near a tie are drawn again until none does, by what the portable executor finds.
struct DecidedLeaves {
    /// Of the largest number of the same value: 340 roundings, over ten times of what Winograd's method is off.
    static let margin: Float = 4e-5

    private let leaves: [Value]
    private let executor: PortableExecutor
    /// What a ReLU, a clamp or a maximum decides about.
    private let limited: [(value: Value, thresholds: [Float])]
    private let pooled: [(value: Value, pooling: Pooling)]

    init(_ leaves: [Value], of result: Value) throws {
        let graph = result.graph
        var limited: [(value: Value, thresholds: [Float])] = []
        var pooled: [(value: Value, pooling: Pooling)] = []
        // What was recorded up to the result; the gradients come behind it.
        for node in graph.nodes[...result.index] {
            switch node.op {
            case .relu: limited.append((Value(graph: graph, index: node.inputs[0]), [0]))
            case .clamp(let low, let high): limited.append((Value(graph: graph, index: node.inputs[0]), [low, high]))
            case .maxPool2d(let pooling): pooled.append((Value(graph: graph, index: node.inputs[0]), pooling))
            default: continue
            }
        }
        self.leaves = leaves
        self.limited = limited
        self.pooled = pooled
        executor = PortableExecutor(
            try Plan(graph, outputs: leaves + limited.map { $0.value } + pooled.map { $0.value }))
    }

    /// The leaves with some images of the first drawn again.
    func settle(_ start: [[Float]]) throws -> [[Float]] {
        var numbers = start
        var random = SplitMix64(seed: 11)
        for (leaf, array) in zip(leaves, numbers) { try executor.write(array, to: leaf) }
        for _ in 0..<500 {
            executor.run()
            let near = imagesNearTies()
            if near.isEmpty { return numbers }
            let size = numbers[0].count / leaves[0].shape[0]
            for image in near {
                for i in image * size..<(image + 1) * size { numbers[0][i] = random.uniform() * 2 - 1 }
            }
            try executor.write(numbers[0], to: leaves[0])
        }
        Issue.record("some image always stands near a tie")
        return numbers
    }

    /// In ascending order. A value whose rows are not images is as a whole near a tie or not.
    private func imagesNearTies() -> [Int] {
        let images = leaves[0].shape[0]
        var isNear = [Bool](repeating: false, count: images)
        func mark(_ value: Value, _ element: Int) {
            if value.shape[0] == images {
                isNear[element / (value.shape.count / images)] = true
            } else {
                for image in 0..<images { isNear[image] = true }
            }
        }
        for (value, thresholds) in limited {
            let numbers = executor.buffer(of: value)
            let least = leastDistance(numbers)
            for i in numbers.indices where thresholds.contains(where: { abs(numbers[i] - $0) < least }) { mark(value, i) }
        }
        for (value, pooling) in pooled {
            let numbers = executor.buffer(of: value)
            let least = leastDistance(numbers)
            forEachWindow(of: value, pooling, numbers) { element, best, second in
                // Zeros that a ReLU left have no gradient, whichever is taken.
                if best != 0 && best - second < least { mark(value, element) }
            }
        }
        return isNear.indices.filter { isNear[$0] }
    }

    private func leastDistance(_ numbers: UnsafeMutableBufferPointer<Float>) -> Float {
        DecidedLeaves.margin * numbers.reduce(0) { max($0, abs($1)) }
    }

    /// Calls `body` with the place of each window's maximum, the maximum and the runner-up.
    private func forEachWindow(
        of value: Value, _ pooling: Pooling, _ numbers: UnsafeMutableBufferPointer<Float>,
        _ body: (_ element: Int, _ best: Float, _ second: Float) -> Void
    ) {
        let (height, width, channels) = (value.shape[1], value.shape[2], value.shape[3])
        for image in 0..<value.shape[0] {
            for i in stride(from: 0, through: height - pooling.window, by: pooling.stride) {
                for j in stride(from: 0, through: width - pooling.window, by: pooling.stride) {
                    for channel in 0..<channels {
                        var (element, best, second) = (0, -Float.infinity, -Float.infinity)
                        for u in 0..<pooling.window {
                            for v in 0..<pooling.window {
                                let place = ((image * height + i + u) * width + j + v) * channels + channel
                                if numbers[place] > best {
                                    (element, best, second) = (place, numbers[place], best)
                                } else {
                                    second = max(second, numbers[place])
                                }
                            }
                        }
                        body(element, best, second)
                    }
                }
            }
        }
    }
}
