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

    /// Writes zeros into the border, before anything is written inside: whole vectors reach into there, and into the slack.
    package func clearBorder(_ plane: UnsafeMutablePointer<Int16>) {
        guard border > 0 else { return }
        let edge = border &* channels
        let pitch = rowPitch
        zero(plane, count: border &* pitch &+ edge)
        // The right edge of a row and the left edge of the next are one run.
        var start = plane + (border &* pitch &+ edge &+ width &* channels)
        for _ in 1..<max(height, 1) {
            zero(start, count: 2 &* edge)
            start += pitch
        }
        zero(start, count: border &* pitch &+ edge)
    }

    /// The channels of `[row][column][lanes]` numbers to where channel 0 of `target` is.
    @inline(never)
    func copyChannels(
        _ source: UnsafePointer<Int16>, lanes: Int, _ target: UnsafeMutablePointer<Int16>, channels: Int,
        from firstRow: Int = 0, rows: Int? = nil
    ) {
        var from = source
        for row in firstRow..<firstRow + (rows ?? height) {
            var to = target + offset(row, 0)
            for _ in 0..<width {
                if channels >= 4 {
                    // Fours from the start on, and then the last four.
                    var c = 0
                    while c < channels &- 4 {
                        lanes_store_half(to + c, lanes_load_half(from + c))
                        c &+= 4
                    }
                    lanes_store_half(to + (channels &- 4), lanes_load_half(from + (channels &- 4)))
                } else {
                    for c in 0..<channels { to[c] = from[c] }
                }
                from += lanes
                to += self.channels
            }
        }
    }

    /// At least `count` numbers, and at most seven more.
    @inline(__always)
    private func zero(_ start: UnsafeMutablePointer<Int16>, count: Int) {
        let zeros = lanes_zeros()
        var p = start
        let end = start + count
        while p + 24 < end {
            lanes_store(p, zeros)
            lanes_store(p + 8, zeros)
            lanes_store(p + 16, zeros)
            lanes_store(p + 24, zeros)
            p += 32
        }
        while p < end {
            lanes_store(p, zeros)
            p += 8
        }
    }
}
