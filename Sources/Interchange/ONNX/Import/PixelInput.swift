import NeuralNetwork

/// What an ONNX model with float input expects in place of a pixel p: (p / 255 − mean) / deviation, for each channel.
public struct PixelNormalisation: Equatable, Sendable {
    /// One for each channel, or one for all.
    public var mean: [Double]
    public var deviation: [Double]

    /// Nothing but the division by 255 when left out.
    public init(mean: [Double] = [0], deviation: [Double] = [1]) {
        self.mean = mean
        self.deviation = deviation
    }
}

extension LoweredGraph {
    /// Takes the steps that only scale and shift the image out of the graph and makes preprocessing of them.
    ///
    /// The toolkit's preprocessing has whole zero points and one scale. What does not fit goes into the first layer
    /// with weights; that is exact but for the border that this layer adds, which is noted.
    mutating func takePreprocessing(_ normalisation: PixelNormalisation?) throws(ONNXError) -> Preprocessing {
        let channels = nodes[0].extent.channels
        var scale = [Double](repeating: 1, count: channels)
        var shift = [Double](repeating: 0, count: channels)
        if let normalisation {
            for list in [normalisation.mean, normalisation.deviation] {
                guard list.count == 1 || list.count == channels, list.allSatisfy(\.isFinite) else {
                    throw .graph("\(list.count) numbers of the normalisation for \(channels) channels of the image")
                }
            }
            for channel in 0..<channels {
                let mean = normalisation.mean[channel % normalisation.mean.count]
                let deviation = normalisation.deviation[channel % normalisation.deviation.count]
                guard deviation > 0 else { throw .graph("a deviation of \(deviation); it must be greater than 0") }
                scale[channel] = 1 / (255 * deviation)
                shift[channel] = -mean / deviation
            }
        }
        while let next = affineBehindImage() {
            guard case .affine(let factor, let summand) = nodes[next].kind else { break }
            for channel in 0..<channels {
                scale[channel] *= Double(factor[channel])
                shift[channel] = shift[channel] * Double(factor[channel]) + Double(summand[channel])
            }
            bypass(next)
        }
        guard scale.allSatisfy({ $0.isFinite && $0 > 0 && Float($0) > 0 }), shift.allSatisfy(\.isFinite) else {
            throw nodes[0].source.fail("the image is multiplied by \(scale), expected numbers greater than 0")
        }
        let common = Float(scale[0])
        var rest = [Float](repeating: 1, count: channels)
        var offset = [Float](repeating: 0, count: channels)
        var zeroPoints = [Int32](repeating: 0, count: channels)
        for channel in 0..<channels {
            let zero = -shift[channel] / scale[channel]
            zeroPoints[channel] = Int32(max(0, min(255, zero.rounded())))
            if abs(zero - Double(zeroPoints[channel])) > 1e-4 {
                offset[channel] = Float(scale[channel] * Double(zeroPoints[channel]) + shift[channel])
            }
            if channel > 0, scale[channel] != scale[0] { rest[channel] = Float(scale[channel] / scale[0]) }
        }
        if rest.contains(where: { $0 != 1 }) || offset.contains(where: { $0 != 0 }) {
            try absorbBehindImage(scale: rest, shift: offset)
        }
        return Preprocessing(zeroPoints: zeroPoints, scale: common)
    }

    /// The only user of the image when it just scales and shifts.
    private func affineBehindImage() -> Int? {
        guard uses[0] == 1, let user = nodes.firstIndex(where: { $0.inputs.contains(0) }),
            case .affine = nodes[user].kind
        else { return nil }
        return user
    }

    /// Lets the users of a node use its input instead.
    private mutating func bypass(_ old: Int) {
        let input = nodes[old].inputs[0]
        for index in nodes.indices { nodes[index].inputs = nodes[index].inputs.map { $0 == old ? input : $0 } }
        if output == old { output = input }
        removeUnused()
    }

    private mutating func absorbBehindImage(scale: [Float], shift: [Float]) throws(ONNXError) {
        for index in nodes.indices where nodes[index].inputs.contains(0) {
            switch nodes[index].kind {
            case .conv2d(var convolution):
                if !convolution.window.edges.isNone, shift.contains(where: { $0 != 0 }) {
                    let largest = shift.map { abs($0) }.max() ?? 0
                    notes.append(
                        "zero points are whole pixels from 0 to 255, which stand for zero at borders: "
                            + "at that of “\(nodes[index].source.name)” inputs differ by up to \(largest)")
                }
                convolution.absorb(scale: scale, shift: shift)
                nodes[index].kind = .conv2d(convolution)
            case .dense(var dense):
                dense.absorb(scale: scale, shift: shift)
                nodes[index].kind = .dense(dense)
            default:
                throw nodes[index].source.fail(
                    "the normalisation of the image cannot be taken up by it; scale \(scale), shift \(shift)")
            }
        }
    }
}
