import Autodiff

/// Which nodes of a graph are needed, who uses them, and which of them one call makes together.
struct Uses {
    private(set) var isNeeded: [Bool]
    private(set) var users: [[Int]]
    let isOutput: [Bool]
    private let graph: Graph
    /// For a node that another call makes: that node.
    private(set) var fusedInto: [Int: Int] = [:]
    /// For a product or a convolution: the ReLU that follows it and takes its place.
    private(set) var rectifier: [Int: Int] = [:]
    /// For a gradient of filters or weights: the sum that is the bias gradient of the same layer.
    private(set) var biasGradient: [Int: Int] = [:]
    /// For a maximum pooling's gradient: the ReLU gradient that follows it and takes its place.
    private(set) var scatterRectifier: [Int: Int] = [:]

    init(_ graph: Graph, outputs: [Int]) {
        self.graph = graph
        var isNeeded = [Bool](repeating: false, count: graph.nodes.count)
        var users = [[Int]](repeating: [], count: graph.nodes.count)
        var isOutput = isNeeded
        for output in outputs {
            isNeeded[output] = true
            isOutput[output] = true
        }
        for index in graph.nodes.indices.reversed() where isNeeded[index] {
            for input in graph.nodes[index].inputs {
                isNeeded[input] = true
                users[input].append(index)
            }
        }
        self.isNeeded = isNeeded
        self.users = users
        self.isOutput = isOutput
        for index in graph.nodes.indices where isNeeded[index] { fuse(index) }
    }

    private mutating func fuse(_ index: Int) {
        switch graph.nodes[index].op {
        case .relu:
            let source = graph.nodes[index].inputs[0]
            guard isOnly(index, userOf: source) else { return }
            switch graph.nodes[source].op {
            case .conv2d, .matmul(transposeA: false, transposeB: false): rectifier[source] = index
            default: return
            }
            fusedInto[index] = source
        case .reluGradient:
            let scatter = graph.nodes[index].inputs[0]
            guard case .maxPool2dScatter = graph.nodes[scatter].op, isOnly(index, userOf: scatter),
                graph.nodes[scatter].inputs[1] == graph.nodes[index].inputs[1]
            else { return }
            scatterRectifier[scatter] = index
            fusedInto[index] = scatter
        case .sum(let axes):
            let dy = graph.nodes[index].inputs[0]
            let rank = graph.nodes[dy].shape.rank
            guard rank >= 2, axes == AxisSet(axes: Array(0..<rank - 1)) else { return }
            for user in users[dy]
            where biasGradient[user] == nil && graph.nodes[user].inputs[1...].first == dy {
                switch graph.nodes[user].op {
                case .conv2dFilterGradient, .matmul(transposeA: true, transposeB: false): break
                default: continue
                }
                biasGradient[user] = index
                fusedInto[index] = user
                return
            }
        default: return
        }
    }

    /// Whether nobody else sees the numbers of `source`.
    private func isOnly(_ user: Int, userOf source: Int) -> Bool {
        users[source].count == 1 && users[source][0] == user && !isOutput[source]
    }

    /// Takes a fusion back, when the accelerated form of `index` turns out not to exist.
    mutating func separate(_ index: Int) {
        for fused in [rectifier[index], biasGradient[index], scatterRectifier[index]] {
            if let fused { fusedInto[fused] = nil }
        }
        rectifier[index] = nil
        biasGradient[index] = nil
        scatterRectifier[index] = nil
    }
}
