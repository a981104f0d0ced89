import Autodiff
import COneDNN
import Kernels

/// Runs a graph on oneDNN: layouts chosen by the library, kept from op to op, everything made once.
///
/// Numbers agree with `PortableExecutor` within rounding, not to the bit; with the same number of threads they
/// repeat to the bit. Ops that the library does not cover run on the portable kernels, so that every graph runs.
/// Use one object from one thread at a time.
public final class AcceleratedExecutor {
    public let graph: Graph
    let library: Library
    private let arena: Arena
    /// Of what lives while a thread works on one group of images.
    private let passing: Arena
    private let names: [(name: String, layer: Int)]
    private let runs: [() -> Void]
    /// Run before the next step when a parameter was written.
    private let preparations: [() -> Void]
    private var isPrepared = false
    private let held: [[Tensor]]
    private let updates: [(parameter: Tensor, gradient: Tensor)]
    private let gradientShapes: [Shape]

    /// - Parameters:
    ///   - outputs: what can be read after a run.
    ///   - pairs: parameters and their gradients, to be brought together in one layout for `update`.
    ///   - separately: keeps calls apart that would otherwise go through the images together; for profiles.
    /// - Throws: `AccelerationError`; errors of the graph are found by `Plan` before.
    public init(
        _ plan: Plan, updating pairs: [(parameter: Value, gradient: Value)] = [], threads: Int,
        kernels: AcceleratedKernels = .best, separately: Bool = false
    ) throws(AccelerationError) {
        graph = plan.graph
        library = try Library(threads: threads)
        let gradients = Set(pairs.map { $0.gradient.index })
        let results = plan.outputs.map { $0.index }.filter { !gradients.contains($0) }
        let lowering = Lowering(
            library, graph, Uses(graph, outputs: results + pairs.map { $0.gradient.index }),
            usesLanes: kernels.usesLanes)
        try lowering.lowerAll()
        for index in results where graph.nodes[index].op != .parameter {
            try lowering.tensor(index, as: .rowMajor(graph.nodes[index].shape)).storage.isLasting = true
        }
        var updates: [(parameter: Tensor, gradient: Tensor)] = []
        for (parameter, gradient) in pairs {
            let p = try lowering.tensor(parameter.index)
            updates.append((p, try lowering.tensor(gradient.index, as: p.layout)))
        }
        for index in results where graph.nodes[index].op == .parameter { _ = try lowering.tensor(index) }
        for (parameter, gradient) in updates {
            parameter.storage.isLasting = true
            gradient.storage.isLasting = true
        }
        self.updates = updates
        gradientShapes = pairs.map { $0.gradient.shape }
        held = lowering.held
        let regions =
            separately ? lowering.steps.map { Region($0) } : Region.remaking(Region.gather(lowering.steps))
        for (index, region) in regions.enumerated() {
            for storage in region.steps.flatMap({ $0.touches }) { storage.touch(index) }
        }
        passing = Arena(Region.passing(regions), copies: threads)
        arena = Arena(lowering.held.joined().map { $0.storage } + lowering.steps.flatMap { $0.touches })
        var runs: [() -> Void] = []
        for region in regions { runs.append(try region.make(library)) }
        self.runs = runs
        preparations = lowering.preparations.map { $0() }
        names = regions.map { ($0.name, $0.steps[0].layer) }
    }

    /// Computes every output from the leaves; asks for no memory.
    public func run() {
        library.useThreads()
        prepare()
        for run in runs { run() }
    }

    private func prepare() {
        if isPrepared { return }
        for prepare in preparations { prepare() }
        isPrepared = true
    }

    /// The calls of a step in order: what each is, with the library's name of its code, and its layer (−1 outside all).
    public var stepNames: [(name: String, layer: Int)] { names }

    /// Runs one call of a step, whose arguments must be there; for profiles.
    public func run(step: Int) {
        library.useThreads()
        prepare()
        runs[step]()
    }

    /// Size of the memory of a step, in bytes, without what the portable parts have.
    public var arenaBytes: Int { arena.byteCount + passing.byteCount }

    /// The row-major memory of an input or an output; not of a parameter, whose layout is the library's.
    public func buffer(of value: Value) -> UnsafeMutableBufferPointer<Float> {
        let layout = Layout.rowMajor(value.shape)
        guard value.graph === graph, value.op != .parameter,
            let tensor = held[value.index].first(where: { $0.layout == layout && $0.storage.isLasting })
        else { preconditionFailure("neither an input nor an output of this plan") }
        return UnsafeMutableBufferPointer(start: tensor.storage.floats, count: value.shape.count)
    }

    /// A row-major copy of a leaf or an output.
    public func read(_ value: Value) throws(AccelerationError) -> [Float] {
        guard value.op == .parameter, let tensor = held[value.index].first else {
            return Array(buffer(of: value))
        }
        return try numbers(of: tensor, value.shape, at: tensor.storage.pointer)
    }

    /// A row-major copy of the gradient at this place of `updating`.
    public func gradient(_ place: Int) throws(AccelerationError) -> [Float] {
        let gradient = updates[place].gradient
        return try numbers(of: gradient, gradientShapes[place], at: gradient.storage.pointer)
    }

    /// Copies row-major numbers into a leaf.
    public func write(_ numbers: [Float], to leaf: Value) throws(AccelerationError) {
        precondition(numbers.count == leaf.shape.count, "an array of another size than the value")
        guard leaf.op == .parameter, let tensor = held[leaf.index].first else {
            _ = buffer(of: leaf).update(fromContentsOf: numbers)
            return
        }
        isPrepared = false
        try set(numbers, tensor, leaf.shape, at: tensor.storage.pointer)
    }

    /// Parameters and gradients in the order of `updating`, in the same layout, padding (zero in both) included.
    package var updateBuffers: [(parameter: UnsafeMutableBufferPointer<Float>, gradient: UnsafePointer<Float>)] {
        updates.map { parameter, gradient in
            let count = parameter.layout.byteCount / 4
            return (
                UnsafeMutableBufferPointer(start: parameter.storage.floats, count: count),
                UnsafePointer(gradient.storage.floats)
            )
        }
    }

    /// Row-major numbers of an array that has the layout of the parameter `index` of `updating`.
    func numbers(likeParameter index: Int, _ shape: Shape, at address: UnsafeMutableRawPointer)
        throws(AccelerationError) -> [Float]
    {
        try numbers(of: updates[index].parameter, shape, at: address)
    }

    /// Writes row-major numbers into an array that has the layout of the parameter `index` of `updating`.
    func set(
        _ numbers: [Float], likeParameter index: Int, _ shape: Shape, at address: UnsafeMutableRawPointer
    )
        throws(AccelerationError)
    {
        try set(numbers, updates[index].parameter, shape, at: address)
    }

    private func numbers(
        of tensor: Tensor, _ shape: Shape, at address: UnsafeMutableRawPointer
    ) throws(AccelerationError) -> [Float] {
        library.useThreads()
        let plain = Storage.aligned(byteCount: shape.count * 4)
        defer { plain.deallocate() }
        try Reorder(library, tensor.layout, address, .rowMajor(shape), plain).run()
        return Array(
            UnsafeBufferPointer(start: plain.assumingMemoryBound(to: Float.self), count: shape.count))
    }

    private func set(
        _ numbers: [Float], _ tensor: Tensor, _ shape: Shape, at address: UnsafeMutableRawPointer
    ) throws(AccelerationError) {
        library.useThreads()
        let plain = Storage.aligned(byteCount: shape.count * 4)
        defer { plain.deallocate() }
        numbers.withUnsafeBytes {
            plain.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(plain), byteCount: $0.count)
        }
        try Reorder(library, .rowMajor(shape), plain, tensor.layout, address).run()
    }
}
