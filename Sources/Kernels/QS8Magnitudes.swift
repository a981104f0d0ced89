import CSIMD

/// Σ|weight| of every output, from rows of weights that arrive in any number of pieces.
package struct QS8Magnitudes {
    private var sums: [UInt64]
    /// What `pendingRows` rows add to the sums; at most 256 rows of at most 127 fit.
    private var partial: [Int16]
    private var pendingRows = 0
    private var smallest = lanes_splat_i16(0)
    private var smallestOfRest: Int8 = 0

    private static var rowsOfPartial: Int { 256 }

    package init(outputs: Int) {
        sums = [UInt64](repeating: 0, count: outputs)
        partial = [Int16](repeating: 0, count: outputs)
    }

    /// Adds whole rows: `weights` are `[rows][outputs]`.
    package mutating func add(_ weights: UnsafePointer<Int8>, rows: Int) {
        var row = 0
        while row < rows {
            if pendingRows == Self.rowsOfPartial { flush() }
            let more = min(rows &- row, Self.rowsOfPartial &- pendingRows)
            addPartial(weights + row &* sums.count, rows: more)
            pendingRows &+= more
            row &+= more
        }
    }

    /// The sums, and whether all weights were −127…127.
    package func total() -> (sums: [UInt64], isSymmetric: Bool) {
        var complete = self
        complete.flush()
        var lowest = Int16(smallestOfRest)
        withUnsafeTemporaryAllocation(of: Int16.self, capacity: 8) { lanes in
            lanes_store(lanes.baseAddress!, smallest)
            for lane in 0..<8 { lowest = min(lowest, lanes[lane]) }
        }
        return (complete.sums, lowest > -128)
    }

    private mutating func flush() {
        for output in 0..<sums.count {
            // −128 makes a sum wrap, and the weights are refused for it.
            sums[output] &+= UInt64(UInt16(bitPattern: partial[output]))
            partial[output] = 0
        }
        pendingRows = 0
    }

    private mutating func addPartial(_ weights: UnsafePointer<Int8>, rows: Int) {
        let outputs = sums.count
        let vectors = outputs & ~7
        var smallest = smallest
        partial.withUnsafeMutableBufferPointer { partial in
            guard let partial = partial.baseAddress else { return }
            var output = 0
            while output < vectors {
                var sum = lanes_load(partial + output)
                var source = weights + output
                for _ in 0..<rows {
                    let weight = lanes_widen_i8(source)
                    smallest = lanes_min_i16(smallest, weight)
                    let negated = lanes_sub_i16(lanes_splat_i16(0), weight)
                    sum = lanes_add_i16(sum, lanes_max_i16(weight, negated))
                    source += outputs
                }
                lanes_store(partial + output, sum)
                output &+= 8
            }
            while output < outputs {
                for row in 0..<rows {
                    let weight = weights[row &* outputs &+ output]
                    smallestOfRest = min(smallestOfRest, weight)
                    partial[output] &+= Int16(weight.magnitude)
                }
                output &+= 1
            }
        }
        self.smallest = smallest
    }
}
