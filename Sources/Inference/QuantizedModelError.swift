/// Why a set of layers is not an executable integer model; `layer` is the 0-based index, −1 for the model itself.
public struct QuantizedModelError: Error, Equatable, Sendable {
    public enum Reason: Equatable, Sendable {
        /// Height, width, channels or zero points outside what a picture may have.
        case inputGeometry
        /// A size, stride or padding outside its limits.
        case layerGeometry
        /// Needs a picture where a flat vector arrives, or the other way round.
        case shapeKind
        /// The kernel or window does not fit into its input.
        case windowTooLarge
        case weightCount
        case biasCount
        case multiplierCount
        /// −128 breaks the symmetry that the encoding promises.
        case weightValue
        /// Not finite, or not positive.
        case multiplierValue
        /// An accumulator could pass 31 bits.
        case accumulatorRange
        /// `|acc| * multiplier` could reach 2^22, where rounding stops being exact.
        case requantisationRange
        /// `low…high` is not within −255…255 around zero.
        case activationRange
        /// Logits before the end, or no logits at the end.
        case logitsPlacement
        /// A layer refers to one that does not come before it.
        case layerReference
        /// The two summands of an add differ in shape.
        case summandShape
        /// The number of labels differs from the number of logits, or is not 1…256.
        case labelCount
        /// A label, the name or the provenance is longer than allowed.
        case textTooLong
        /// A label, the name or the provenance is not UTF-8.
        case notUTF8
        /// Not finite, or not positive.
        case logitScale
        /// More layers, activations, weights or multiply-accumulates than the limits allow.
        case tooLarge
    }

    public let reason: Reason
    public let layer: Int
    public let expected: Int
    public let found: Int

    public init(_ reason: Reason, layer: Int = -1, expected: Int = 0, found: Int = 0) {
        self.reason = reason
        self.layer = layer
        self.expected = expected
        self.found = found
    }

    /// One clause for people, without the numbers.
    public var message: StaticString {
        switch reason {
        case .inputGeometry: "the input geometry is outside the limits"
        case .layerGeometry: "a layer size, stride or padding is outside the limits"
        case .shapeKind: "a layer needs a picture where a flat vector arrives, or a flatten is missing"
        case .windowTooLarge: "a kernel or window does not fit into its input"
        case .weightCount: "the number of weights does not match the shapes"
        case .biasCount: "the number of biases does not match the output channels"
        case .multiplierCount: "the number of multipliers does not match the output channels"
        case .weightValue: "a weight is outside -127...127"
        case .multiplierValue: "a multiplier is not a positive finite number"
        case .accumulatorRange: "an accumulator could overflow 31 bits"
        case .requantisationRange: "a requantised value could reach 2^22, where rounding is no longer exact"
        case .activationRange: "an activation range is not within -255...255 around zero"
        case .logitsPlacement: "the last layer, and no other, must give logits and be dense"
        case .layerReference: "a layer refers to one that does not come before it"
        case .summandShape: "the two summands of an add differ in shape"
        case .labelCount: "the number of labels does not match the logits"
        case .textTooLong: "a label, the name or the provenance is too long"
        case .notUTF8: "a label, the name or the provenance is not UTF-8"
        case .logitScale: "the logit scale is not a positive finite number"
        case .tooLarge: "the model is larger than the limits allow"
        }
    }
}
