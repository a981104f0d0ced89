import Autodiff
import CAcceleration

/// Between which numbers an activation lets through what it gets.
struct Limits: Equatable {
    let low: Float
    let high: Float

    /// Those of a ReLU.
    static let aboveZero = Limits(low: 0, high: .infinity)

    var name: String { self == .aboveZero ? "relu" : "clamp" }
}

extension Lowering {
    /// a + b of images in lanes; left to the ReLU gradient where that alone asks for it.
    func lowerLaneSum(_ index: Int) throws(AccelerationError) -> Bool {
        let inputs = node(index).inputs
        guard fitsLanes(node(index).shape), inputs.allSatisfy({ shape($0) == node(index).shape }),
            inputs.contains(where: { isInLanes($0) })
        else { return false }
        if let user = onlyUser(index), node(user).op.isLimitGradient, node(user).inputs[0] == index,
            node(user).inputs[1] != index, isInLanes(node(user).inputs[1]), uses.fusedInto[user] == nil
        {
            for input in inputs { _ = try lanes(input) }
            deferredSums.insert(index)
            skip(index)
            return true
        }
        if let relu = onlyUser(index), node(relu).op == .relu {
            skip(index)
            try addLaneSum("lanes add+relu", inputs[0], inputs[1], relu, limits: .aboveZero)
        } else {
            try addLaneSum("lanes add", inputs[0], inputs[1], index)
        }
        return true
    }

    /// min(max(x, low), high) of images in lanes.
    func lowerLaneLimit(_ index: Int, _ limits: Limits) throws(AccelerationError) -> Bool {
        guard fitsLanes(node(index).shape), isInLanes(node(index).inputs[0]) else { return false }
        try addLaneSum("lanes \(limits.name)", node(index).inputs[0], nil, index, limits: limits)
        return true
    }

    /// dx = dy where the second input is between the limits, of images in lanes.
    func lowerLaneLimitGradient(_ index: Int, _ limits: Limits) throws(AccelerationError) -> Bool {
        let inputs = node(index).inputs
        guard fitsLanes(node(index).shape), shape(inputs[0]) == shape(inputs[1]), isInLanes(inputs[1]) else {
            return false
        }
        if deferredSums.contains(inputs[0]) {
            let parts = node(inputs[0]).inputs
            try addLaneSum("lanes add+\(limits.name)Gradient", parts[0], parts[1], gates: inputs[1], index, limits: limits)
        } else {
            try addLaneSum("lanes \(limits.name)Gradient", inputs[0], nil, gates: inputs[1], index, limits: limits)
        }
        return true
    }

    private func addLaneSum(
        _ name: String, _ a: Int, _ b: Int?, gates: Int? = nil, _ index: Int, limits: Limits? = nil
    ) throws(AccelerationError) {
        let (left, leftPlanes) = try lanes(a)
        var right: (tensor: Tensor, planes: LanePlanes)?
        if let b { right = try lanes(b) }
        var mask: (tensor: Tensor, planes: LanePlanes)?
        if let gates { mask = try lanes(gates) }
        let border = borderWanted(index)
        let y = Tensor(.lanes(node(index).shape, border: border), lasting: border > 0)
        let target = LanePlanes(node(index).shape, border: border)
        // A normalisation that takes this gradient finds its sums made.
        var normalized: (tensor: Tensor, planes: LanePlanes)?
        var mean: Storage?
        var sums: Storage?
        if gates != nil, let gradients = normalizationGradients(near: index), gradients.dy == index {
            normalized = try lanes(gradients.x)
            mean = try channelVector(gradients.mean)
            sums = Storage(byteCount: target.groups * target.channels * 8)
            normalizationSums[gradients.scale] = sums
        }
        let touches =
            [left.storage, y.storage] + [right, mask, normalized].compactMap { $0?.tensor.storage }
            + [mean, sums].compactMap { $0 }
        addGroups(name + (sums == nil ? "" : "+batchNorm sums"), target.groups, touches) {
            let (left, result) = (LaneValue(left.storage, leftPlanes), LaneValue(y.storage, target))
            let others = [right, mask, normalized].map { value in
                value.map { LaneValue($0.tensor.storage, $0.planes) }
            }
            let (mean, sums) = (mean?.floats, sums?.floats)
            let strides = [right, mask, normalized].map { $0?.planes.strides ?? deai_planes() }
            let addition = deai_lane_addition(
                extent: target.extent, a: leftPlanes.strides, b: strides[0], gates: strides[1], y: target.strides,
                x: strides[2], limited: limits == nil ? 0 : 1, low: limits?.low ?? 0, high: limits?.high ?? 0)
            let (right, mask, normalized) = (others[0], others[1], others[2])
            return { turn in
                let (left, y) = (left.at(turn), result.at(turn))
                withUnsafePointer(to: addition) {
                    deai_lane_add(
                        $0, left, right?.at(turn), mask?.at(turn), y,
                        normalized?.at(turn), mean, sums, turn.first, turn.end)
                }
            }
        }
        hold(index, y)
    }

    /// Sums over rows and columns, [n, h, w, c] to [n, 1, 1, c].
    func lowerPlaneSums(_ index: Int) throws(AccelerationError) -> Bool {
        let source = node(index).inputs[0]
        guard fitsLanes(shape(source)), isInLanes(source) else { return false }
        let (x, planes) = try lanes(source)
        let y = Tensor(.rowMajor(node(index).shape))
        addGroups("lanes plane sums", planes.groups, [x.storage, y.storage]) {
            let (x, y) = (LaneValue(x.storage, planes), y.storage.floats)
            let (extent, strides) = (planes.extent, planes.strides)
            return { turn in
                var (extent, strides) = (extent, strides)
                deai_lane_plane_sums(&extent, &strides, x.at(turn), y, turn.first, turn.end)
            }
        }
        hold(index, y)
        return true
    }

    /// One number for each channel of an image, repeated over rows and columns.
    func lowerPlaneFill(_ index: Int) throws(AccelerationError) -> Bool {
        let (source, result) = (shape(node(index).inputs[0]), node(index).shape)
        guard fitsLanes(result), source == [result[0], 1, 1, result[3]], result[1] * result[2] > 1 else { return false }
        let x = try tensor(node(index).inputs[0], as: .rowMajor(source))
        let y = Tensor(.lanes(result, border: 0))
        let planes = LanePlanes(result, border: 0)
        addGroups("lanes fill", planes.groups, [x.storage, y.storage]) {
            let (x, y) = (x.storage.floats, LaneValue(y.storage, planes))
            let (extent, strides) = (planes.extent, planes.strides)
            return { turn in
                var (extent, strides) = (extent, strides)
                deai_lane_fill(&extent, &strides, x, y.at(turn), turn.first, turn.end)
            }
        }
        hold(index, y)
        return true
    }
}

extension Op {
    fileprivate var isLimitGradient: Bool {
        switch self {
        case .reluGradient, .clampGradient: true
        default: false
        }
    }
}
