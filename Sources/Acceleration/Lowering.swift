import Autodiff
import CAcceleration
import COneDNN
import Kernels

/// One call of a step: what it touches, and how to make it once memory has addresses.
struct LoweredStep {
    let name: String
    /// The layer of the network that it works for, −1 outside all.
    let layer: Int
    let touches: [Storage]
    let make: () throws(AccelerationError) -> () -> Void
}

/// Turns the needed nodes of a graph into calls of the library, of own kernels and of portable ones.
///
/// A value is held in the layout that its maker gives; asking for another layout adds a reorder, once. Nodes without
/// an accelerated form gather in `pending` until somebody needs one of them, and run as one portable plan.
final class Lowering {
    let library: Library
    let graph: Graph
    var uses: Uses
    private(set) var steps: [LoweredStep] = []
    /// For each node the layouts that it is there in; the first is the one its maker chose.
    private(set) var held: [[Tensor]]
    var pending: [Int] = []
    var layer = -1
    var convolutions: [ConvolutionKey: ConvolutionDescriptions] = [:]
    var pools: [PoolKey: LoweredPool] = [:]

    init(_ library: Library, _ graph: Graph, _ uses: Uses) {
        self.library = library
        self.graph = graph
        self.uses = uses
        held = Array(repeating: [], count: graph.nodes.count)
    }

    func node(_ index: Int) -> Graph.Node { graph.nodes[index] }
    func shape(_ index: Int) -> Shape { graph.nodes[index].shape }

    /// Adds every needed node, in the order of the graph.
    func lowerAll() throws(AccelerationError) {
        for index in graph.nodes.indices where uses.isNeeded[index] && held[index].isEmpty {
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
            hold(index, Tensor(.rowMajor(node.shape), try tensor(source, as: .rowMajor(shape(source))).storage))
            return true
        case .conv2d(let convolution) where !convolution.isPlain,
            .conv2dInputGradient(let convolution) where !convolution.isPlain,
            .conv2dFilterGradient(let convolution) where !convolution.isPlain:
            return separate(index)
        case .matmul where node.shape.rank != 2: return separate(index)
        case .conv2d(let convolution): return try lowerConvolution(index, convolution)
        case .conv2dInputGradient(let convolution): return try lowerInputGradient(index, convolution)
        case .conv2dFilterGradient(let convolution): return try lowerFilterGradient(index, convolution)
        case .matmul(let transposeA, let transposeB):
            return try lowerProduct(index, transposeA: transposeA, transposeB: transposeB)
        case .maxPool2d(let pooling): return try lowerPool(index, pooling)
        case .maxPool2dScatter(let pooling): return try lowerScatter(index, pooling)
        case .reluGradient: return try lowerReluGradient(index)
        case .sum(let axes): return try lowerColumnSums(index, axes)
        default: return false
        }
    }

    func hold(_ index: Int, _ tensor: Tensor) { held[index].append(tensor) }

    /// The value in this layout, reordered if it is not there yet.
    func tensor(_ index: Int, as layout: Layout) throws(AccelerationError) -> Tensor {
        if pending.contains(index) { try flush() }
        for tensor in held[index] where tensor.layout == layout { return tensor }
        let made = Tensor(layout)
        if held[index].isEmpty {
            // A parameter lives in the layout that is asked for first.
            precondition(node(index).op == .parameter, "a value is used before it is made")
            made.storage.isLasting = true
        } else {
            add("reorder", [held[index][0].storage, made.storage], reorder(held[index][0], made))
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
        for storage in touches { storage.touch(steps.count) }
        steps.append(LoweredStep(name: name, layer: layer, touches: touches, make: make))
    }

    /// Adds a call of the library.
    func add(
        _ name: String, _ description: PrimitiveDescription,
        _ arguments: [(number: Int32, layout: dnnl_memory_desc_t, storage: Storage)]
    ) {
        var arguments = arguments
        if description.scratchBytes > 0 {
            arguments.append(
                (DNNL_ARG_SCRATCHPAD, description.descriptor(dnnl_query_scratchpad_md),
                 Storage(byteCount: description.scratchBytes)))
        }
        let library = library
        add("\(name) \(description.implementation)", arguments.map { $0.storage }) { () throws(AccelerationError) in
            let primitive = try Primitive(
                library, description, arguments.map { ($0.number, $0.layout, $0.storage.pointer) })
            return { primitive.run() }
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
