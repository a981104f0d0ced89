/// The rules that make layers a model.
enum ModelRules {
    static func check(
        name: [UInt8], input: InputGeometry, layers: [QuantizedLayer], labels: [[UInt8]],
        logitScale: Float, provenance: [UInt8]
    ) throws(QuantizedModelError) -> [LayerPlan] {
        fatalError("pending")
    }
}
