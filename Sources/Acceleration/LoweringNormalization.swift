import Autodiff
import CAcceleration

/// The mean of a batch that was added, and the variance that was made with it.
struct LoweredStatistics {
    let mean: Int
    let variance: Tensor
}

extension Lowering {
    /// Whether a value may have its images in lanes.
    func fitsLanes(_ shape: Shape) -> Bool { usesLanes && shape.rank == 4 && shape[0] % 16 == 0 }

    /// The value in lanes with a border at least that wide.
    func lanes(_ index: Int, border: Int = 0) throws(AccelerationError) -> (tensor: Tensor, planes: LanePlanes) {
        if pending.contains(index) { try flush() }
        for tensor in held[index] {
            if let planes = tensor.layout.lanes, planes.border >= border { return (tensor, planes) }
        }
        let planes = LanePlanes(shape(index), border: border)
        return (try tensor(index, as: .lanes(shape(index), border: border)), planes)
    }

    /// Whether the value is there in lanes already.
    func isInLanes(_ index: Int) -> Bool { held[index].contains { $0.layout.lanes != nil } }

    /// The one node that looks at a value, if there is only one.
    func onlyUser(_ index: Int) -> Int? {
        uses.users[index].count == 1 && !uses.isOutput[index] ? uses.users[index][0] : nil
    }

    /// The border that convolutions and their gradients want around a value.
    func borderWanted(_ index: Int) -> Int {
        var border = 0
        for user in uses.users[index] {
            let inputs = node(user).inputs
            switch node(user).op {
            case .conv2d(let convolution), .conv2dFilterGradient(let convolution):
                if inputs[0] == index { border = max(border, convolution.padding) }
            case .conv2dInputGradient(let convolution):
                border = max(border, gradientBorder(user, convolution))
            default: continue
            }
        }
        return border
    }

    /// How far beyond its edges the gradient of a result is looked at for the gradient of the image.
    func gradientBorder(_ index: Int, _ convolution: Convolution) -> Int {
        let (image, filter, result) = (node(index).shape, shape(node(index).inputs[1]), shape(node(index).inputs[0]))
        let before = max(filter[0], filter[1]) - 1 - convolution.padding
        if convolution.stride == 1 { return before }
        let behind = (1...2).map { axis in
            (image[axis] - 1 + convolution.padding) / convolution.stride - (result[axis] - 1)
        }
        return max((before + convolution.stride - 1) / convolution.stride, behind[0], behind[1], 0)
    }

    func channelVector(_ index: Int) throws(AccelerationError) -> Storage {
        try tensor(index, as: .rowMajor(shape(index))).storage
    }

    /// Mean and variance together, from the moments of each plane.
    func lowerBatchMean(_ index: Int) throws(AccelerationError) -> Bool {
        let source = node(index).inputs[0]
        guard fitsLanes(shape(source)) else { return false }
        let (x, planes) = try lanes(source)
        let moments = Storage(byteCount: planes.groups * planes.channels * 8)
        let (extent, strides) = (planes.extent, planes.strides)
        addGroups("lanes moments", planes.groups, [x.storage, moments]) {
            let (x, moments) = (LaneValue(x.storage, planes), moments.floats)
            return { turn in
                let x = x.at(turn)
                withUnsafePointer(to: extent) { extent in
                    withUnsafePointer(to: strides) {
                        deai_lane_moments(extent, $0, x, moments, turn.first, turn.end)
                    }
                }
            }
        }
        let mean = Tensor(.rowMajor(shape(index)))
        let variance = Tensor(.rowMajor(shape(index)))
        let count = Float(16 * planes.height * planes.width)
        add("statistics", [moments, mean.storage, variance.storage]) {
            let (moments, mean, variance) = (moments.floats, mean.storage.floats, variance.storage.floats)
            return {
                deai_lane_statistics(moments, Int32(planes.groups), Int32(planes.channels), count, mean, variance)
            }
        }
        hold(index, mean)
        statistics[source] = LoweredStatistics(mean: index, variance: variance)
        return true
    }

    func lowerBatchVariance(_ index: Int) -> Bool {
        let inputs = node(index).inputs
        guard let known = statistics[inputs[0]], known.mean == inputs[1] else { return false }
        hold(index, known.variance)
        return true
    }

    /// The normalised value, with the sum and the ReLU that follow where nobody sees what is between.
    func lowerNormalization(_ index: Int, epsilon: Float) throws(AccelerationError) -> Bool {
        let inputs = node(index).inputs
        guard fitsLanes(node(index).shape) else { return false }
        let (x, source) = try lanes(inputs[0])
        var result = index
        var other: (tensor: Tensor, planes: LanePlanes)?
        if let sum = onlyUser(result), node(sum).op == .add, let added = node(sum).inputs.first(where: { $0 != index }),
            shape(added) == shape(index), isInLanes(added)
        {
            other = try lanes(added)
            result = sum
        }
        var isRectified = false
        if let relu = onlyUser(result), node(relu).op == .relu {
            isRectified = true
            if result != index { skip(result) }
            result = relu
        }
        let border = borderWanted(result)
        let y = Tensor(.lanes(node(index).shape, border: border))
        let target = LanePlanes(node(index).shape, border: border)
        let vectors = [
            try channelVector(inputs[1]), try channelVector(inputs[2]), try channelVector(inputs[3]),
            try channelVector(inputs[4]),
        ]
        let settings = deai_lane_normalization(
            extent: source.extent, x: source.strides, y: target.strides,
            other: other?.planes.strides ?? deai_planes(), epsilon: epsilon, rectified: isRectified ? 1 : 0,
            border: Int32(border))
        let name = "lanes batchNorm" + (other == nil ? "" : "+add") + (isRectified ? "+relu" : "")
        let touches = [x.storage, y.storage] + vectors + (other.map { [$0.tensor.storage] } ?? [])
        addGroups(name, source.groups, touches, remade: other == nil ? y.storage : nil) {
            let (x, y) = (LaneValue(x.storage, source), LaneValue(y.storage, target))
            let added = other.map { LaneValue($0.tensor.storage, $0.planes) }
            let vectors = vectors.map { UnsafePointer($0.floats) }
            return { turn in
                let (x, y, added) = (x.at(turn), y.at(turn), added?.at(turn))
                withUnsafePointer(to: settings) {
                    deai_lane_normalize(
                        $0, x, vectors[0], vectors[1], vectors[2], vectors[3], added, y, turn.first, turn.end)
                }
            }
        }
        hold(result, y)
        return true
    }

    /// The gradients of scale and shift of a normalisation; `dy` and `x` are the gradient of its result and what it took.
    struct NormalizationGradients {
        let scale: Int
        let shift: Int
        let epsilon: Float
        let (dy, x): (Int, Int)
        let (mean, variance): (Int, Int)
    }

    /// Those that an input gradient among the users of `index`, or their users, takes; nil where they cannot be made here.
    func normalizationGradients(near index: Int) -> NormalizationGradients? {
        for user in uses.users[index] + uses.users[index].flatMap({ uses.users[$0] }) {
            guard case .batchNormInputGradient = node(user).op else { continue }
            // The sum comes with all its axes and is reshaped.
            guard let shift = node(node(user).inputs[6]).inputs.first else { continue }
            let scale = node(user).inputs[5]
            guard case .batchNormScaleGradient(let epsilon) = node(scale).op, case .sum = node(shift).op else { continue }
            let inputs = node(scale).inputs
            guard [scale, shift, inputs[0]].contains(index), node(shift).inputs[0] == inputs[0], fitsLanes(shape(inputs[1])),
                isInLanes(inputs[1]), held[scale].isEmpty, held[shift].isEmpty
            else { continue }
            return NormalizationGradients(
                scale: scale, shift: shift, epsilon: epsilon, dy: inputs[0], x: inputs[1], mean: inputs[2],
                variance: inputs[3])
        }
        return nil
    }

    /// The gradients of scale and shift, which one pass makes; `index` is one of both.
    func lowerNormalizationSums(_ index: Int) throws(AccelerationError) -> Bool {
        guard let gradients = normalizationGradients(near: index), gradients.dy != index else { return false }
        let (_, source) = try lanes(gradients.x)
        let sums: Storage
        if let made = normalizationSums[gradients.scale] {
            sums = made
        } else {
            sums = Storage(byteCount: source.groups * source.channels * 8)
            try addNormalizationSums(gradients, sums)
        }
        let variance = try channelVector(gradients.variance)
        let scale = Tensor(.rowMajor(shape(gradients.scale)))
        let shift = Tensor(.rowMajor(shape(gradients.shift)))
        add("batchNorm gradients", [sums, variance, scale.storage, shift.storage]) {
            let (sums, variance) = (sums.floats, variance.floats)
            let (scale, shift) = (scale.storage.floats, shift.storage.floats)
            return {
                deai_lane_normalization_gradients(
                    sums, Int32(source.groups), Int32(source.channels), variance, gradients.epsilon, shift, scale)
            }
        }
        hold(gradients.scale, scale)
        hold(gradients.shift, shift)
        return true
    }

    private func addNormalizationSums(
        _ gradients: NormalizationGradients, _ sums: Storage
    ) throws(AccelerationError) {
        let (dy, slopes) = try lanes(gradients.dy)
        let (x, source) = try lanes(gradients.x)
        let mean = try channelVector(gradients.mean)
        let (extent, slopeStrides, strides) = (source.extent, slopes.strides, source.strides)
        addGroups("lanes batchNorm sums", source.groups, [dy.storage, x.storage, mean, sums]) {
            let (dy, x) = (LaneValue(dy.storage, slopes), LaneValue(x.storage, source))
            let (mean, sums) = (mean.floats, sums.floats)
            return { turn in
                let (dy, x) = (dy.at(turn), x.at(turn))
                var (extent, slopeStrides, strides) = (extent, slopeStrides, strides)
                deai_lane_normalization_sums(
                    &extent, &slopeStrides, dy, &strides, x, mean, sums, turn.first, turn.end)
            }
        }
    }

    func lowerNormalizationInputGradient(_ index: Int, epsilon: Float) throws(AccelerationError) -> Bool {
        let inputs = node(index).inputs
        guard fitsLanes(node(index).shape), isInLanes(inputs[1]) else { return false }
        let (dy, slopes) = try lanes(inputs[0])
        let (x, source) = try lanes(inputs[1])
        var vectors: [Storage] = []
        for place in 2...6 { vectors.append(try channelVector(inputs[place])) }
        let border = borderWanted(index)
        let dx = Tensor(.lanes(node(index).shape, border: border))
        let target = LanePlanes(node(index).shape, border: border)
        let settings = deai_lane_normalization(
            extent: source.extent, x: source.strides, y: target.strides, other: slopes.strides, epsilon: epsilon,
            rectified: 0, border: Int32(border))
        let count = Float(node(index).shape.count / source.channels)
        addGroups("lanes batchNormInputGradient", source.groups, [dy.storage, x.storage, dx.storage] + vectors) {
            let (dy, x) = (LaneValue(dy.storage, slopes), LaneValue(x.storage, source))
            let dx = LaneValue(dx.storage, target)
            let vectors = vectors.map { UnsafePointer($0.floats) }
            return { turn in
                let (dy, x, dx) = (dy.at(turn), x.at(turn), dx.at(turn))
                withUnsafePointer(to: settings) {
                    deai_lane_normalization_input_gradient(
                        $0, dy, x, vectors[0], vectors[1], vectors[2], vectors[3], vectors[4], count, dx,
                        turn.first, turn.end)
                }
            }
        }
        hold(index, dx)
        return true
    }
}
