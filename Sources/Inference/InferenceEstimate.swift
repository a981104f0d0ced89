import Kernels

extension ModelOutline {
    /// Instructions of one picture from above while the weights are packed in memory.
    public var packedInstructions: UInt64 { InferenceEstimate.packed(layers, plan) }

    /// Instructions of one picture by `StoredRun` from above: reading, multiplying, and packing or decoding what cannot
    /// be multiplied as it is stored.
    public var storedInstructions: UInt64 {
        var sum: UInt64 = 0
        for index in layers.indices { sum &+= storedInstructions(index) }
        return sum
    }

    /// The most instructions that one step of `StoredRun` takes.
    public var dearestStep: UInt64 {
        var dearest: UInt64 = 0
        for index in layers.indices {
            // A raw dense layer goes through a megabyte at a time.
            if case .dense = layers[index], places[index]?.isEntropyCoded != true { continue }
            dearest = max(dearest, storedInstructions(index))
        }
        return dearest
    }

    private func storedInstructions(_ index: Int) -> UInt64 {
        let count = UInt64(places[index]?.count ?? 0)
        let perWeight: UInt64 =
            switch (layers[index], places[index]?.isEntropyCoded) {
            case (_, true): InferenceEstimate.decodingWeight
            case (.dense, _): InferenceEstimate.readingWeight
            default: InferenceEstimate.packingWeight
            }
        return count &* perWeight &+ InferenceEstimate.packed(layers[index], plan[index])
    }
}

extension QuantizedModel {
    /// Instructions of one picture from above.
    public var estimatedInstructions: UInt64 { InferenceEstimate.packed(layers, plan) }
}

/// Upper bounds of instruction counts on the network's price list, from counts of every kind of layer.
enum InferenceEstimate {
    /// Reading a weight and multiplying it once.
    static let readingWeight: UInt64 = 4
    static let packingWeight: UInt64 = 24
    static let decodingWeight: UInt64 = 64
    /// Of a number of an activation, whatever the layer.
    private static let number: UInt64 = 24

    static func packed(_ layers: [QuantizedLayer], _ plan: [LayerPlan]) -> UInt64 {
        var sum: UInt64 = 0
        for index in layers.indices { sum &+= packed(layers[index], plan[index]) }
        return sum
    }

    static func packed(_ layer: QuantizedLayer, _ plan: LayerPlan) -> UInt64 {
        var perProduct: UInt64 = 1
        var window: UInt64 = 1
        switch layer {
        case .depthwiseConv2d: perProduct = 2
        case .maxPool2d(let side, _): window = UInt64(side * side)
        case .averagePool2d(let pool): window = UInt64(pool.windowHeight) &* UInt64(pool.windowWidth)
        default: break
        }
        return plan.multiplyAccumulates &* perProduct
            &+ (UInt64(plan.input.count) &+ UInt64(plan.output.count) &* window) &* number
    }
}
