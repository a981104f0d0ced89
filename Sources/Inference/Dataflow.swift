import Kernels

/// Which layer reads what: the branches of a model and the borders that its activations need.
struct Dataflow {
    /// For each layer the one whose numbers its output is, itself unless it only passes them on; −1 is the picture.
    private(set) var origins: [Int] = []
    /// Whether a later layer refers to the output of this layer by its index.
    private(set) var isReferred: [Bool]
    /// Pixels of padding that the readers of each layer's output want; the last entry is that of the picture.
    private var borders: [Int]

    /// `layers` refer to earlier layers only.
    init(_ layers: [QuantizedLayer]) {
        isReferred = [Bool](repeating: false, count: layers.count)
        borders = [Int](repeating: 0, count: layers.count + 1)
        var current = -1
        for index in 0..<layers.count {
            switch layers[index] {
            case .output(let source):
                isReferred[source] = true
                origins.append(origins[source])
            case .flatten:
                origins.append(current)
            case .add(let add):
                isReferred[add.source] = true
                origins.append(index)
            case .conv2d(let c):
                pad(current, c.padding)
                origins.append(index)
            case .depthwiseConv2d(let c):
                pad(current, c.padding)
                origins.append(index)
            case .dense, .maxPool2d, .averagePool2d:
                origins.append(index)
            }
            current = origins[index]
        }
    }

    private mutating func pad(_ origin: Int, _ padding: Int) {
        let index = origin < 0 ? borders.count - 1 : origin
        borders[index] = max(borders[index], padding)
    }

    /// The layout of the output of layer `index` (−1: of the picture), with the border that its readers want.
    func plane(of index: Int, _ shape: ActivationShape) -> QS8Plane {
        let origin = index < 0 ? borders.count - 1 : origins[index] < 0 ? borders.count - 1 : origins[index]
        return QS8Plane(
            height: shape.height, width: shape.width, channels: shape.channels,
            border: shape.isFlat ? 0 : borders[origin])
    }
}
