/// All of a .deai file but the numbers of its layers, and where those are.
///
/// Shapes, counts, and the hashes of every section but the tensors are checked; the tensors by `ModelFileCheck`.
public struct ModelOutline {
    public let name: [UInt8]
    public let input: InputGeometry
    public let labels: [[UInt8]]
    public let logitScale: Float
    public let provenance: [UInt8]
    /// The shape after each layer and the costs; the bound of the logits is not known.
    public let plan: [LayerPlan]
    /// The layers without bias, multipliers and weights.
    let layers: [QuantizedLayer]
    /// Where the numbers of each layer are; nil for one that has none.
    let places: [TensorPlace?]
    let header: ModelFileHeader
    private let parts: ModelParts

    /// Bytes before the tensors at most: a megabyte of provenance is the longest part.
    private static let maximumHeadBytes: UInt64 = 4 << 20

    public init<Storage: ModelStorage>(_ storage: Storage) throws(ModelFileError) {
        let size = storage.byteCount
        let first = storage.bytes(at: 0, count: Int(min(size, UInt64(ModelFileHeader.maximumBytes))))
        header = try ModelFileHeader(first, fileBytes: size)
        let tensors = header.sections[3]
        guard tensors.offset <= Self.maximumHeadBytes else {
            throw ModelFileError(
                .countTooLarge(limit: Int(Self.maximumHeadBytes), found: Int(clamping: tensors.offset)), offset: 0)
        }
        let head = storage.bytes(at: 0, count: Int(tensors.offset))
        var ranges: [Range<Int>] = []
        for index in 0..<3 {
            try header.verify(index, in: head)
            ranges.append(Int(header.sections[index].offset)..<Int(header.sections[index].end))
        }
        let reader = ModelFileReader(head, ranges: ranges, minorVersion: header.minorVersion)
        var source = PlaceSource(storage: storage, position: tensors.offset, end: tensors.end)
        parts = try reader.parts(&source)
        var places: [TensorPlace?] = []
        var next = 0
        for layer in parts.layers {
            guard layer.hasNumbers else {
                places.append(nil)
                continue
            }
            places.append(source.places[next])
            next += 1
        }
        name = parts.name
        input = parts.input
        labels = parts.labels
        logitScale = parts.logitScale
        provenance = parts.provenance
        layers = parts.layers
        self.places = places
        do {
            plan = try ModelRules.check(
                name: name, input: input, layers: layers, labels: labels, logitScale: logitScale,
                provenance: provenance, unreadWeights: places.map { $0?.count ?? 0 })
        } catch {
            throw parts.located(error)
        }
        for index in places.indices {
            guard let place = places[index], place.outputs != plan[index].output.channels else { continue }
            throw located(
                QuantizedModelError(
                    .biasCount, layer: index, expected: plan[index].output.channels, found: place.outputs))
        }
    }

    func located(_ error: QuantizedModelError) -> ModelFileError { parts.located(error) }

    /// Multiply-accumulates of one picture, padding included.
    public var multiplyAccumulates: UInt64 { plan.reduce(0) { $0 + $1.multiplyAccumulates } }

    /// Weights of all layers, one byte each once they are decoded.
    public var weights: UInt64 { places.reduce(0) { $0 + UInt64($1?.count ?? 0) } }

    /// Weights that are stored in fewer bytes than they have.
    public var codedWeights: UInt64 {
        places.reduce(0) { $0 + ($1.map { $0.isEntropyCoded ? UInt64($0.count) : 0 } ?? 0) }
    }

    /// The most weights that `StoredRun` has in memory together: a raw dense layer goes through in pieces.
    public var largestLoad: Int {
        var largest = 0
        for index in places.indices {
            guard let place = places[index] else { continue }
            if case .dense = layers[index], !place.isEntropyCoded { continue }
            largest = max(largest, place.count)
        }
        return largest
    }
}

/// Where the numbers of one layer are in the file.
struct TensorPlace {
    let outputs: Int
    /// Bias; the multipliers follow, then the head of the weights.
    let offset: UInt64
    let count: Int
    let isEntropyCoded: Bool
    /// Bytes of the weights in the file.
    let length: Int

    var headBytes: Int { 8 * outputs + WeightsHead.byteCount }
    var weights: UInt64 { offset + UInt64(headBytes) }
    var end: UInt64 { weights + UInt64(length) }
}

/// Notes where the tensors are and passes over them.
private struct PlaceSource<Storage: ModelStorage>: TensorSource {
    let storage: Storage
    var position: UInt64
    let end: UInt64
    var places: [TensorPlace] = []

    func finish() throws(ModelFileError) {
        guard position == end else {
            throw ModelFileError(.badSection(section: 4), offset: Int(clamping: position))
        }
    }

    mutating func next(outputs: Int, minorVersion: Int) throws(ModelFileError) -> LayerTensors {
        let numbers = UInt64(8 * outputs)
        try need(numbers + UInt64(WeightsHead.byteCount))
        let start = position + numbers
        var reader = ByteReader(storage.bytes(at: start, count: WeightsHead.byteCount), 0..<WeightsHead.byteCount)
        let head: WeightsHead
        do throws(ModelFileError) { head = try WeightsHead(&reader, minorVersion: minorVersion) } catch {
            throw error.moved(by: start)
        }
        let place = TensorPlace(
            outputs: outputs, offset: position, count: head.count, isEntropyCoded: head.isEntropyCoded,
            length: head.length)
        position = place.weights
        try need(UInt64(head.length))
        position = place.end
        places.append(place)
        return LayerTensors(bias: [], multipliers: [], weights: [])
    }

    private func need(_ count: UInt64) throws(ModelFileError) {
        guard count <= end - position else {
            throw ModelFileError(
                .truncated(expected: Int(clamping: count), found: Int(clamping: end - position)),
                offset: Int(clamping: position))
        }
    }
}

extension QuantizedLayer {
    /// Whether the layer has bias, multipliers and weights.
    var hasNumbers: Bool {
        switch self {
        case .conv2d, .dense, .depthwiseConv2d: true
        case .maxPool2d, .flatten, .averagePool2d, .add, .output: false
        }
    }
}

extension ModelFileError {
    /// The same error of a part that starts at `offset` of the file.
    func moved(by offset: UInt64) -> ModelFileError {
        ModelFileError(reason, offset: Int(clamping: offset &+ UInt64(self.offset)))
    }
}
