import Kernels

/// How the kernel of a step visits its operands; worked out once, for ops that need it.
struct StepWalks {
    var main: StridedWalk?
    /// The summed elements, for sums.
    var reduced: StridedWalk?

    init(main: StridedWalk? = nil, reduced: StridedWalk? = nil) {
        self.main = main
        self.reduced = reduced
    }

    init(_ op: Op, shape: Shape, inputs: [Shape]) {
        switch op {
        case .add, .subtract, .multiply, .divide, .reluGradient, .clampGradient: self = .elementwise(shape, inputs)
        case .sum(let axes), .maximum(let axes): self = .sum(axes, inputs[0])
        case .broadcast: self = .broadcast(inputs[0], to: shape)
        case .transpose(let permutation): self = .transpose(inputs[0], permutation, to: shape)
        case .slice: self = .part(shape, of: inputs[0])
        case .pad: self = .part(inputs[0], of: shape)
        default: self.init()
        }
    }
}

extension Op {
    /// Floats of scratch memory that the kernel needs.
    func scratchCount(shape: Shape, inputs: [Shape]) -> Int {
        switch self {
        case .matmul(let transposeA, let transposeB):
            F32MatMul(inputs[0], inputs[1], transposeA: transposeA, transposeB: transposeB).scratchCount
        case .conv2dInputGradient(let convolution) where !convolution.isPlain:
            F32GroupedConv2d(shape, inputs[1], convolution).inputGradientScratchCount
        case .conv2d(let convolution) where convolution.isPlain:
            F32Conv2d(inputs[0], inputs[1], convolution).forwardScratchCount
        case .conv2dInputGradient(let convolution):
            F32Conv2d(shape, inputs[1], convolution).inputGradientScratchCount
        case .conv2dFilterGradient(let convolution) where convolution.isPlain:
            F32Conv2d(inputs[0], shape, convolution).filterGradientScratchCount
        default: 0
        }
    }
}
