import Kernels

/// One picture through a model whose weights stay in storage: layer by layer, in as many slices as are wanted.
///
/// The same logits bit for bit as `IntegerExecutor`. Memory is what the activations take, about a megabyte of
/// weights, and `ModelOutline.largestLoad` for a layer that is packed or decoded.
public final class StoredRun<Storage: ModelStorage> {
    public let outline: ModelOutline
    private let storage: Storage
    private let flow: Dataflow
    /// The layer that reads the output of a layer last; the picture's entry is the last one.
    private let lastUses: [Int]
    private var outputs: [Activation?]
    private var picture: Activation?
    private var layer = 0
    /// Sums of a dense layer under way, and the row of weights that comes next.
    private var sums: [Int32] = []
    private var row = 0

    /// Bytes of weights that went by, and in all.
    public private(set) var done: UInt64 = 0
    public let total: UInt64
    /// Set when the last layer is done.
    public private(set) var logits: [Int32] = []

    /// `pixels` are height x width x channels bytes.
    public init(_ outline: ModelOutline, _ storage: Storage, pixels: [UInt8]) {
        precondition(pixels.count == outline.input.byteCount, "one picture")
        self.outline = outline
        self.storage = storage
        flow = Dataflow(outline.layers)
        lastUses = StoredRun.lastUses(outline.layers)
        outputs = [Activation?](repeating: nil, count: outline.layers.count)
        total = outline.places.reduce(0) { $0 + UInt64($1?.length ?? 0) }
        let plane = flow.plane(of: -1, outline.plan[0].input)
        let picture = Activation(plane)
        var pattern: [Int16] = []
        for i in 0..<QS8Elementwise.zeroPointPattern {
            pattern.append(Int16(outline.input.zeroPoints[i % outline.input.channels]))
        }
        pixels.withUnsafeBufferPointer { pixels in
            QS8Elementwise.centre(
                pixels.baseAddress!, zeroPoints: pattern, plane: plane, picture.numbers)
        }
        self.picture = picture
    }

    /// Goes on while `mayContinue`, asked about every megabyte of weights with the bytes done; true once `logits`
    /// are there.
    public func advance(while mayContinue: (UInt64) -> Bool) throws(ModelFileError) -> Bool {
        while layer < outline.layers.count {
            guard mayContinue(done) else { return false }
            if try step() {
                dropUnused()
                layer += 1
            }
        }
        return true
    }

    /// The current layer, or a piece of it; true when it is finished.
    private func step() throws(ModelFileError) -> Bool {
        let shape = outline.plan[layer]
        let source = layer == 0 ? picture! : outputs[layer - 1]!
        switch outline.layers[layer] {
        case .flatten: outputs[layer] = source.plane.border == 0 ? source : source.withoutBorder()
        case .output(let index): outputs[layer] = outputs[index]
        case .dense(let layer): return try multiply(layer, source)
        case .conv2d(let c):
            let target = Activation(flow.plane(of: layer, shape.output))
            guard case .activations(let low, let high) = c.output else { return true }
            let (numbers, weights) = try load()
            let kernel = QS8Convolution(
                weights: weights, bias: numbers.bias, multipliers: numbers.multipliers, low: low, high: high,
                kernelHeight: c.kernelHeight, kernelWidth: c.kernelWidth, stride: c.stride, padding: c.padding,
                input: source.plane, output: target.plane, pools: false,
                inputBound: layer == 0 ? 255 : outline.plan[layer - 1].outputBound)
            let scratch = Activation(count: kernel.scratch)
            kernel.run(source.numbers, target.numbers, scratch: scratch.numbers)
            outputs[layer] = target
        case .depthwiseConv2d(let c):
            let target = Activation(flow.plane(of: layer, shape.output))
            guard case .activations(let low, let high) = c.output else { return true }
            let (numbers, weights) = try load()
            let kernel = QS8Depthwise(
                weights: weights, bias: numbers.bias, multipliers: numbers.multipliers, low: low, high: high,
                kernelHeight: c.kernelHeight, kernelWidth: c.kernelWidth, stride: c.stride, padding: c.padding,
                input: source.plane, output: target.plane)
            let scratch = Activation(count: kernel.scratch)
            kernel.run(source.numbers, target.numbers, scratch: scratch.numbers)
            outputs[layer] = target
        case .maxPool2d(let window, let stride):
            let target = Activation(flow.plane(of: layer, shape.output))
            QS8Elementwise.maxPool(
                source.numbers, source.plane, target.numbers, target.plane, window: window, stride: stride)
            outputs[layer] = target
        case .averagePool2d(let pool):
            let target = Activation(flow.plane(of: layer, shape.output))
            guard case .activations(let low, let high) = pool.output else { return true }
            QS8AveragePool(
                windowHeight: pool.windowHeight, windowWidth: pool.windowWidth, stride: pool.stride,
                multiplier: pool.multiplier, low: low, high: high
            ).run(source.numbers, source.plane, target.numbers, target.plane)
            outputs[layer] = target
        case .add(let add):
            let target = Activation(flow.plane(of: layer, shape.output))
            guard case .activations(let low, let high) = add.output else { return true }
            let other = outputs[add.source]!
            QS8Add(multiplier: add.multiplier, otherMultiplier: add.sourceMultiplier, low: low, high: high)
                .run(source.numbers, source.plane, other.numbers, other.plane, target.numbers, target.plane)
            outputs[layer] = target
        }
        return true
    }

    /// A megabyte of rows, or all of a coded layer.
    private func multiply(_ dense: QuantizedDense, _ source: Activation) throws(ModelFileError) -> Bool {
        guard let place = outline.places[layer] else { return true }
        if row == 0 { sums = try numbers(place).bias }
        if place.isEntropyCoded {
            let weights = try load().weights
            accumulate(weights, rows: place.rows, source)
        } else {
            let more = min(place.rows - row, place.rowsOfBlock)
            let count = more * place.outputs
            let block = [Int8](unsafeUninitializedCapacity: count) { buffer, initialized in
                storage.read(
                    at: place.weights + UInt64(row) * UInt64(place.outputs),
                    into: UnsafeMutableRawBufferPointer(buffer))
                initialized = count
            }
            accumulate(block, rows: more, source)
            done += UInt64(count)
        }
        guard row == place.rows else { return false }
        let multipliers = try numbers(place).multipliers
        switch dense.output {
        case .activations(let low, let high):
            let target = Activation(flow.plane(of: layer, outline.plan[layer].output))
            QS8DenseRows.activations(
                sums, multipliers, outputs: dense.outputs, low: low, high: high, target.numbers)
            outputs[layer] = target
        case .logits:
            logits = [Int32](repeating: 0, count: dense.outputs)
            QS8DenseRows.logits(sums, multipliers, outputs: dense.outputs, &logits)
        }
        row = 0
        return true
    }

    private func accumulate(_ weights: [Int8], rows: Int, _ source: Activation) {
        weights.withUnsafeBufferPointer { weights in
            sums.withUnsafeMutableBufferPointer { sums in
                QS8DenseRows.accumulate(
                    weights.baseAddress!, rows: rows, outputs: sums.count, inputs: source.numbers + row,
                    sums.baseAddress!)
            }
        }
        row += rows
    }

    private func numbers(_ place: TensorPlace) throws(ModelFileError) -> LayerNumbers {
        try LayerNumbers(
            storage.bytes(at: place.offset, count: place.headBytes), outputs: place.outputs, at: place.offset)
    }

    /// All numbers of the current layer.
    private func load() throws(ModelFileError) -> (numbers: LayerNumbers, weights: [Int8]) {
        guard let place = outline.places[layer] else { throw ModelFileError(.badWeights, offset: 0) }
        let weights = try place.decoded(storage.bytes(at: place.weights, count: place.length))
        done += UInt64(place.length)
        return (try numbers(place), weights)
    }

    /// Frees what no later layer reads.
    private func dropUnused() {
        if lastUses[outputs.count] <= layer { picture = nil }
        for index in 0...layer where lastUses[index] <= layer && index != layer { outputs[index] = nil }
    }

    private static func lastUses(_ layers: [QuantizedLayer]) -> [Int] {
        var uses = [Int](repeating: -1, count: layers.count + 1)
        uses[layers.count] = 0
        for index in 0..<layers.count {
            if index > 0 { uses[index - 1] = max(uses[index - 1], index) }
            switch layers[index] {
            case .add(let add): uses[add.source] = index
            case .output(let source): uses[source] = index
            default: break
            }
        }
        return uses
    }
}

/// One activation with its border and slack, zero at first.
private final class Activation {
    let plane: QS8Plane
    let numbers: UnsafeMutablePointer<Int16>

    init(_ plane: QS8Plane) {
        self.plane = plane
        numbers = UnsafeMutablePointer.allocate(capacity: plane.storage)
        numbers.initialize(repeating: 0, count: plane.storage)
    }

    /// Scratch memory without a shape.
    convenience init(count: Int) { self.init(QS8Plane(height: 1, width: 1, channels: max(count, 1))) }

    deinit { numbers.deallocate() }

    func withoutBorder() -> Activation {
        let copy = Activation(QS8Plane(height: plane.height, width: plane.width, channels: plane.channels))
        QS8Elementwise.copyRows(numbers, plane, copy.numbers)
        return copy
    }
}
