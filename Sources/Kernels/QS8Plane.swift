import CSIMD

/// Where one 16-bit NHWC activation lies in memory: rows of pixels inside a border of zeros.
package struct QS8Plane: Equatable, Sendable {
    package let height: Int
    package let width: Int
    package let channels: Int
    /// Pixels of zeros on each side, for the padding of the layer that reads the plane.
    package let border: Int

    /// Numbers that kernels may read past the last one, whatever they hold.
    package static let slack = 8

    package init(height: Int, width: Int, channels: Int, border: Int = 0) {
        self.height = height
        self.width = width
        self.channels = channels
        self.border = border
    }

    /// Numbers from one row to the next.
    package var rowPitch: Int { (width + 2 * border) * channels }

    /// Numbers the plane takes, border and slack included.
    package var storage: Int { (height + 2 * border) * rowPitch + QS8Plane.slack }

    /// Offset of channel 0 of a pixel; row and column −border is the first of the border.
    package func offset(_ row: Int, _ column: Int) -> Int {
        (row + border) * rowPitch + (column + border) * channels
    }

    /// Writes zeros into the border.
    package func clearBorder(_ plane: UnsafeMutablePointer<Int16>) {
        guard border > 0 else { return }
        let edge = border * channels
        // The right edge of a row and the left edge of the next are one run.
        zero(plane, count: offset(0, 0))
        for row in 1..<height { zero(plane + offset(row, 0) - 2 * edge, count: 2 * edge) }
        let end = offset(height - 1, width)
        zero(plane + end, count: storage - QS8Plane.slack - end)
    }

    private func zero(_ start: UnsafeMutablePointer<Int16>, count: Int) {
        var i = 0
        while i &+ 8 <= count {
            lanes_store(start + i, .zero)
            i &+= 8
        }
        while i < count {
            start[i] = 0
            i &+= 1
        }
    }
}
