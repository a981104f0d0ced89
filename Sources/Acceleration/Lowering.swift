import Autodiff
import CAcceleration
import COneDNN
import Kernels

/// One call of a step: what it touches, and how to make it once memory has addresses.
struct LoweredStep {
    /// What runs: a call that brings its own threads, or the part of one thread, which needs of other results only what
    /// the same thread made of the same groups of images.
    enum Work {
        case whole(() throws(AccelerationError) -> () -> Void)
        case share(groups: Int, () throws(AccelerationError) -> (_ thread: Int) -> Void)
        /// The same one group at a time, so that what follows finds the group's results in the cache.
        case groups(Int, () throws(AccelerationError) -> GroupCall)
    }

    let name: String
    /// The layer of the network that it works for, −1 outside all.
    let layer: Int
    let touches: [Storage]
    let work: Work
    /// A result that takes less time to make again, of what is there anyway, than to read from memory.
    var remade: Storage?
}

/// Which group of sixteen images a thread works on, and whether that is its first or its last one.
struct Turn {
    let thread: Int
    let group: Int
    let isFirst: Bool
    let isLast: Bool

    /// The range of groups, as kernels take it.
    var first: Int32 { Int32(group) }
    var end: Int32 { Int32(group + 1) }
}

/// What a thread does at a turn.
typealias GroupCall = (Turn) -> Void

/// Turns the needed nodes of a graph into calls of the library, of own kernels and of portable ones.
///
/// A value is held in the layout that its maker gives; asking for another layout adds a reorder, once. Nodes without
/// an accelerated form gather in `pending` until somebody needs one of them, and run as one portable plan.
final class Lowering {
    let library: Library
    let graph: Graph
    var uses: Uses
    private(set) var steps: [LoweredStep] = []
    /// What has to be done once whenever parameters were written; made like the calls of steps.
    private(set) var preparations: [() -> () -> Void] = []
    /// For each node the layouts that it is there in; the first is the one its maker chose.
    private(set) var held: [[Tensor]]
    var pending: [Int] = []
    private var skipped: Set<Int> = []
    var layer = -1
    var convolutions: [ConvolutionKey: ConvolutionDescriptions] = [:]
    var pools: [PoolKey: LoweredPool] = [:]
    var pooledGradients: [Int: PooledGradient] = [:]
    /// Of the batches that were normalised, by the value.
    var statistics: [Int: LoweredStatistics] = [:]
    /// What the gradients of a normalisation's scale and shift are made of, where it was summed before they are asked for; by
    /// the gradient of the scale.
    var normalizationSums: [Int: Storage] = [:]
    /// Sums that the ReLU gradient after them makes.
    var deferredSums: Set<Int> = []
    /// Whether convolutions may use the kernels with images in lanes.
    let usesLanes: Bool

    init(_ library: Library, _ graph: Graph, _ uses: Uses, usesLanes: Bool) {
        self.usesLanes = usesLanes
        self.library = library
        self.graph = graph
        self.uses = uses
        held = Array(repeating: [], count: graph.nodes.count)
    }

    func node(_ index: Int) -> Graph.Node { graph.nodes[index] }
    func shape(_ index: Int) -> Shape { graph.nodes[index].shape }

    /// Adds every needed node, in the order of the graph.
    func lowerAll() throws(AccelerationError) {
        for index in graph.nodes.indices
        where uses.isNeeded[index] && held[index].isEmpty && !skipped.contains(index) {
            layer = graph.nodes[index].layer
            if try !lower(index) { pending.append(index) }
        }
        try flush()
    }

    /// Whether the node has an accelerated form, which then was added.
    private func lower(_ index: Int) throws(AccelerationError) -> Bool {
        let node = graph.nodes[index]
        // Made together with the node that it is fused with.
        if uses.fusedInto[index] != nil { return true }
        switch node.op {
        case .input:
            hold(index, Tensor(.rowMajor(node.shape), lasting: true))
            return true
        case .parameter: return true
        case .reshape:
            let source = node.inputs[0]
            if pending.contains(source) { return false }
            hold(
                index, Tensor(.rowMajor(node.shape), try tensor(source, as: .rowMajor(shape(source))).storage)
            )
            return true
        case .matmul where node.shape.rank != 2: return separate(index)
        case .conv2d(let convolution): return try lowerConvolution(index, convolution)
        case .conv2dInputGradient(let convolution): return try lowerInputGradient(index, convolution)
        case .conv2dFilterGradient(let convolution): return try lowerFilterGradient(index, convolution)
        case .matmul(let transposeA, let transposeB):
            return try lowerProduct(index, transposeA: transposeA, transposeB: transposeB)
        case .maxPool2d(let pooling): return try lowerPool(index, pooling)
        case .maxPool2dScatter(let pooling): return try lowerScatter(index, pooling)
        case .reluGradient:
            if try lowerLaneLimitGradient(index, .aboveZero) { return true }
            return try lowerReluGradient(index)
        case .clamp(let low, let high): return try lowerLaneLimit(index, Limits(low: low, high: high))
        case .clampGradient(let low, let high): return try lowerLaneLimitGradient(index, Limits(low: low, high: high))
        case .sum(AxisSet(axes: [1, 2])): return try lowerPlaneSums(index)
        case .sum(let axes):
            if try lowerNormalizationSums(index) { return true }
            return try lowerColumnSums(index, axes)
        case .broadcast: return try lowerPlaneFill(index)
        case .add:
            if try lowerLaneSum(index) { return true }
            return try lowerSum(index)
        case .relu:
            if try lowerLaneLimit(index, .aboveZero) { return true }
            return try lowerSum(index)
        case .batchMean: return try lowerBatchMean(index)
        case .batchVariance: return lowerBatchVariance(index)
        case .batchNorm(let epsilon), .normalize(let epsilon): return try lowerNormalization(index, epsilon: epsilon)
        case .batchNormScaleGradient: return try lowerNormalizationSums(index)
        case .batchNormInputGradient(let epsilon):
            return try lowerNormalizationInputGradient(index, epsilon: epsilon)
        default: return false
        }
    }

    /// Leaves out a node whose numbers nobody asks for.
    func skip(_ index: Int) { skipped.insert(index) }

    func hold(_ index: Int, _ tensor: Tensor) { held[index].append(tensor) }

    /// The value in this layout, reordered if it is not there yet.
    func tensor(_ index: Int, as layout: Layout) throws(AccelerationError) -> Tensor {
        if pending.contains(index) { try flush() }
        for tensor in held[index] where tensor.layout == layout { return tensor }
        // The library moves parameters in and out; it does not know images in lanes.
        if layout.lanes != nil && held[index].isEmpty { _ = try tensor(index, as: .rowMajor(shape(index))) }
        let made = Tensor(layout, lasting: layout.lanes?.hasBorder ?? false)
        if held[index].isEmpty {
            // A parameter lives in the layout that is asked for first.
            precondition(node(index).op == .parameter, "a value is used before it is made")
            made.storage.isLasting = true
        } else {
            try addReorder(index, to: made)
        }
        hold(index, made)
        return made
    }

    /// The value in the layout that its maker chose.
    func tensor(_ index: Int) throws(AccelerationError) -> Tensor {
        if pending.contains(index) { try flush() }
        if let first = held[index].first { return first }
        return try tensor(index, as: .rowMajor(shape(index)))
    }

    func add(
        _ name: String, _ touches: [Storage], _ make: @escaping () throws(AccelerationError) -> () -> Void
    ) {
        steps.append(LoweredStep(name: name, layer: layer, touches: touches, work: .whole(make)))
    }

    /// Adds what makes a parameter ready that only `AcceleratedExecutor.write` changes.
    func prepare(_ make: @escaping () -> () -> Void) { preparations.append(make) }

    /// Adds a call whose threads work on groups of images of their own.
    func add(
        _ name: String, groups: Int, _ touches: [Storage],
        _ make: @escaping () throws(AccelerationError) -> (_ thread: Int) -> Void
    ) {
        steps.append(
            LoweredStep(name: name, layer: layer, touches: touches, work: .share(groups: groups, make)))
    }

    /// Adds a call that works on any groups of images. It may run again where `remade` is needed later.
    func addGroups(
        _ name: String, _ groups: Int, _ touches: [Storage], remade: Storage? = nil,
        _ make: @escaping () throws(AccelerationError) -> GroupCall
    ) {
        steps.append(
            LoweredStep(name: name, layer: layer, touches: touches, work: .groups(groups, make), remade: remade))
    }

    /// Adds a call of the library.
    func add(
        _ name: String, _ description: PrimitiveDescription,
        _ arguments: [(number: Int32, layout: dnnl_memory_desc_t, storage: Storage)]
    ) {
        var arguments = arguments
        if description.scratchBytes > 0 {
            arguments.append(
                (
                    DNNL_ARG_SCRATCHPAD, description.descriptor(dnnl_query_scratchpad_md),
                    Storage(byteCount: description.scratchBytes)
                ))
        }
        let library = library
        add("\(name) \(description.implementation)", arguments.map { $0.storage }) {
            () throws(AccelerationError) in
            let primitive = try Primitive(
                library, description, arguments.map { ($0.number, $0.layout, $0.storage.pointer) })
            return { primitive.run() }
        }
    }

    /// Images in lanes are known to own kernels only, which lead from and to row-major order.
    private func addReorder(_ index: Int, to target: Tensor) throws(AccelerationError) {
        var source = held[index][0]
        if let lanes = target.layout.lanes {
            source = try tensor(index, as: .rowMajor(shape(index)))
            addGroups(
                "to lanes", lanes.groups, [source.storage, target.storage],
                lanes.fromRows(source.storage, target.storage))
        } else if let lanes = source.layout.lanes {
            if target.layout == .rowMajor(shape(index)) {
                addGroups(
                    "from lanes", lanes.groups, [source.storage, target.storage],
                    lanes.toRows(source.storage, target.storage))
            } else {
                source = try tensor(index, as: .rowMajor(shape(index)))
                add("reorder", [source.storage, target.storage], reorder(source, target))
            }
        } else {
            add("reorder", [source.storage, target.storage], reorder(source, target))
        }
    }

    private func reorder(_ source: Tensor, _ target: Tensor) -> () throws(AccelerationError) -> () -> Void {
        let library = library
        return { () throws(AccelerationError) in
            let reorder = try Reorder(
                library, source.layout, source.storage.pointer, target.layout, target.storage.pointer)
            return { reorder.run() }
        }
    }
}
