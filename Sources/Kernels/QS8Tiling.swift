/// Shapes of the register tiles, the one thing about int8 kernels that depends on the target.
///
/// Results do not: integer sums are exact in any order.
enum QS8Tiling {
    #if arch(wasm32)
        /// Wasm locals are as cheap as registers and not scarce; shared loads pay.
        static let widestTile = 8
        static let widestWinogradTile = 8
        static let winogradPanel = 8
    #else
        /// Sixteen accumulators and their operands are about what the registers hold.
        static let widestTile = 4
        static let widestWinogradTile = 4
        static let winogradPanel = 4
    #endif
    /// Vectors of four output channels in a panel of a convolution.
    static let convolutionPanel = 4
    /// A dense layer has one pixel, so that a wide panel is the only way to share loads.
    static let densePanel = 8
    /// Pixels whose windows are gathered together; a multiple of the widest tile.
    static let strip = 64
    /// Rows of a window shorter than this are gathered into one run first.
    static let shortestDirectRun = 16
}
