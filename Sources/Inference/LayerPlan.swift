/// Height, width and channels of one activation; a flat vector has height and width 1 and `isFlat`.
public struct ActivationShape: Equatable, Sendable {
    public let height: Int
    public let width: Int
    public let channels: Int
    public let isFlat: Bool

    public init(height: Int, width: Int, channels: Int, isFlat: Bool = false) {
        self.height = height
        self.width = width
        self.channels = channels
        self.isFlat = isFlat
    }

    /// Numbers in one activation.
    public var count: Int { height * width * channels }
}

/// What is known about one layer before any picture is seen.
public struct LayerPlan: Equatable, Sendable {
    public let input: ActivationShape
    public let output: ActivationShape
    /// Multiply-accumulates for one picture, those on padding included.
    public let multiplyAccumulates: UInt64
    /// Weights and biases.
    public let parameters: Int
    /// Largest magnitude an output activation can have (for logits: of the integer logit).
    public let outputBound: Int
}
