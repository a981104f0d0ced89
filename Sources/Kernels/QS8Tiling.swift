/// Shapes of the kernels' panels and strips. Results do not depend on them: integer sums are exact in any order.
enum QS8Tiling {
    /// Vectors of four output channels in a panel of a convolution.
    @inline(__always) static var convolutionPanel: Int { 8 }
    @inline(__always) static var winogradPanel: Int { 8 }
    /// A dense layer has one pixel, so that a wide panel is the only way to share loads.
    @inline(__always) static var densePanel: Int { 16 }
    /// Pixels, about, that go through all passes of a panel together.
    @inline(__always) static var strip: Int { 128 }
    /// Rows of a window shorter than this are gathered into one run first.
    @inline(__always) static var shortestDirectRun: Int { 16 }
}
