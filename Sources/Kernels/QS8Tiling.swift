/// Shapes of the kernels' panels and strips. Results do not depend on them: integer sums are exact in any order.
enum QS8Tiling {
    /// Vectors of four output channels in a panel of a convolution.
    @inline(__always) static var convolutionPanel: Int { 8 }
    @inline(__always) static var winogradPanel: Int { 8 }
    /// Pixels, about, that go through all passes of a panel together.
    @inline(__always) static var strip: Int { 128 }
    /// Rows of a window shorter than this are gathered into one run first.
    @inline(__always) static var shortestDirectRun: Int { 16 }

    /// Panels of a convolution: the widest that fit, and narrower ones down to `range.lowerBound` for what is left.
    static func panels(_ outputs: Int, _ range: ClosedRange<Int>) -> [Int] {
        var panels: [Int] = []
        var left = outputs
        while left > 0 {
            var vectors = range.upperBound
            while vectors > range.lowerBound, vectors * 4 >= left + 4 { vectors /= 2 }
            panels.append(vectors)
            left -= vectors * 4
        }
        return panels
    }

    /// Panels of a dense layer, as few as can be and none of one vector if there is a choice: it has one pixel, so that
    /// a wide panel is the only way to share loads.
    static func densePanels(_ outputs: Int) -> [Int] {
        let vectors = (outputs + 3) / 4
        // The cheapest last panel for each number of vectors, and what all of them cost.
        var last = [0]
        var costs = [0]
        for count in 0..<vectors {
            var best = Int.max
            var width = 1
            for candidate in [16, 14, 8, 5, 4, 3, 2, 1] where candidate <= count + 1 {
                let cost = costs[count + 1 - candidate] + (candidate == 1 ? 3 : 2)
                if cost < best {
                    best = cost
                    width = candidate
                }
            }
            last.append(width)
            costs.append(best)
        }
        var panels: [Int] = []
        var left = vectors
        while left > 0 {
            panels.append(last[left])
            left -= last[left]
        }
        return panels
    }
}
