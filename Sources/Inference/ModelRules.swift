import Kernels

/// The limits of the format and the rules that make a list of layers an executable integer model.
enum ModelRules {
    static let maximumSide = 4_096
    static let maximumChannels = 65_536
    static let maximumKernel = 64
    static let maximumLayers = 1_024
    static let maximumClasses = 256
    /// Numbers in one activation.
    static let maximumActivation = 1 << 26
    /// Weights in one layer.
    static let maximumWeights = 1 << 30
    static let maximumLabelBytes = 256
    static let maximumNameBytes = 256
    static let maximumProvenanceBytes = 1 << 20
    static let largestActivation = 255

    /// The plan of every layer; throws at the first rule that is broken.
    ///
    /// - Parameter unreadWeights: how many weights each layer has, where only the shapes are to be checked.
    static func check(
        name: [UInt8], input: InputGeometry, layers: [QuantizedLayer], labels: [[UInt8]],
        logitScale: Float, provenance: [UInt8], unreadWeights: [Int]? = nil
    ) throws(QuantizedModelError) -> [LayerPlan] {
        try checkTexts(name: name, labels: labels, provenance: provenance)
        guard logitScale.isFinite, logitScale > 0 else { throw QuantizedModelError(.logitScale) }
        try checkInput(input)
        guard layers.count <= maximumLayers else {
            throw QuantizedModelError(.tooLarge, expected: maximumLayers, found: layers.count)
        }
        var shape = ActivationShape(height: input.height, width: input.width, channels: input.channels)
        var bound = 0
        for zeroPoint in input.zeroPoints { bound = max(bound, Int(zeroPoint), 255 - Int(zeroPoint)) }
        var plans: [LayerPlan] = []
        var total: UInt64 = 0
        for index in 0..<layers.count {
            let rules = LayerRules(
                layer: index, isLast: index == layers.count - 1, input: shape, bound: bound, earlier: plans,
                unreadWeights: unreadWeights?[index])
            let plan = try rules.plan(layers[index])
            let (sum, overflow) = total.addingReportingOverflow(plan.multiplyAccumulates)
            guard !overflow else { throw QuantizedModelError(.tooLarge, layer: index) }
            total = sum
            plans.append(plan)
            shape = plan.output
            bound = plan.outputBound
        }
        // What waits for a later layer is in memory together.
        let flow = Dataflow(layers)
        var waiting = 0
        for index in 0..<layers.count where flow.isReferred[index] {
            let plane = flow.plane(of: index, plans[index].output)
            waiting += plane.storage
            guard waiting <= maximumActivation else { throw QuantizedModelError(.tooLarge, layer: index) }
        }
        guard let last = layers.last, case .dense = last else {
            throw QuantizedModelError(.logitsPlacement, layer: layers.count - 1)
        }
        guard labels.count == shape.count else {
            throw QuantizedModelError(.labelCount, expected: shape.count, found: labels.count)
        }
        return plans
    }

    private static func checkTexts(
        name: [UInt8], labels: [[UInt8]], provenance: [UInt8]
    ) throws(QuantizedModelError) {
        guard (1...maximumClasses).contains(labels.count) else {
            throw QuantizedModelError(.labelCount, expected: maximumClasses, found: labels.count)
        }
        for label in labels where label.count > maximumLabelBytes {
            throw QuantizedModelError(.textTooLong, expected: maximumLabelBytes, found: label.count)
        }
        guard name.count <= maximumNameBytes else {
            throw QuantizedModelError(.textTooLong, expected: maximumNameBytes, found: name.count)
        }
        guard provenance.count <= maximumProvenanceBytes else {
            throw QuantizedModelError(.textTooLong, expected: maximumProvenanceBytes, found: provenance.count)
        }
        var valid = UTF8Rules.isValid(name) && UTF8Rules.isValid(provenance)
        for label in labels where !UTF8Rules.isValid(label) { valid = false }
        guard valid else { throw QuantizedModelError(.notUTF8) }
    }

    private static func checkInput(_ input: InputGeometry) throws(QuantizedModelError) {
        let error = QuantizedModelError(.inputGeometry)
        let sides = 1...maximumSide
        guard sides.contains(input.height), sides.contains(input.width) else { throw error }
        guard input.channels == 1 || input.channels == 3 else { throw error }
        guard input.zeroPoints.count == input.channels else { throw error }
        for zeroPoint in input.zeroPoints where !(0...255).contains(zeroPoint) { throw error }
        guard input.scale.isFinite, input.scale > 0 else { throw error }
    }
}
