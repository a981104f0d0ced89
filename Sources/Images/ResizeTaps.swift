/// For each output position the first input it looks at and its weights.
struct ResizeTaps: ~Copyable {
    private let outputs: Int
    /// Weights kept for each output, of which not all count.
    private let most: Int
    private let weights: UnsafeMutablePointer<Int32>
    /// The first input of each output, and behind these how many weights it has.
    private let firsts: UnsafeMutablePointer<Int>
    private let counts: UnsafeMutablePointer<Int>

    private static let one: Int64 = 1 << 14

    /// Output x is centred at (2x + 1) * from / (2 * to) in input pixels; the triangle's half width is one output
    /// pixel when shrinking and one input pixel when growing. All positions are multiples of 1 / (2 * to).
    init(from: Int, to: Int) {
        outputs = to
        most = 2 * max(from, to) / to + 3
        weights = .allocate(capacity: to * most)
        firsts = .allocate(capacity: 2 * to)
        counts = firsts + to
        for x in 0..<to { setWeights(x, from: Int64(from), to: Int64(to)) }
    }

    deinit {
        weights.deallocate()
        firsts.deallocate()
    }

    private func setWeights(_ x: Int, from: Int64, to: Int64) {
        let weights = weights + x * most
        let reach = 2 * max(from, to)
        let centre = Int64(2 * x + 1) * from
        let lowest = max(0, (centre - reach) / (2 * to) - 1)
        let highest = min(from - 1, (centre + reach) / (2 * to) + 1)
        var sum: Int64 = 0
        var count = 0
        var largest = 0
        for i in lowest...highest {
            let place = (2 * i + 1) * to
            let weight = reach - (place > centre ? place - centre : centre - place)
            guard weight > 0 else { continue }
            if count == 0 { firsts[x] = Int(i) }
            precondition(count < most, "weights of an output")
            weights[count] = Int32(weight)
            if weight > Int64(weights[largest]) { largest = count }
            count += 1
            sum += weight
        }
        // Round each weight, and give what is left over to the largest.
        var left = ResizeTaps.one
        for k in 0..<count {
            let rounded = (Int64(weights[k]) * ResizeTaps.one * 2 + sum) / (2 * sum)
            weights[k] = Int32(rounded)
            left -= rounded
        }
        weights[largest] += Int32(left)
        counts[x] = count
    }

    /// All outputs of a row of pixels.
    func blendAcross(
        _ from: UnsafePointer<UInt8>, into to: UnsafeMutablePointer<UInt8>, channels: Int
    ) {
        for x in 0..<outputs {
            let weights = weights + x &* most
            let count = counts[x]
            let first = from + firsts[x] &* channels
            if channels == 1 {
                var sum: Int32 = 0
                for k in 0..<count { sum &+= weights[k] &* Int32(first[k]) }
                to[x] = ResizeTaps.rounded(sum)
                continue
            }
            var (red, green, blue): (Int32, Int32, Int32) = (0, 0, 0)
            for k in 0..<count {
                let weight = weights[k]
                red &+= weight &* Int32(first[3 &* k])
                green &+= weight &* Int32(first[3 &* k &+ 1])
                blue &+= weight &* Int32(first[3 &* k &+ 2])
            }
            to[3 &* x] = ResizeTaps.rounded(red)
            to[3 &* x &+ 1] = ResizeTaps.rounded(green)
            to[3 &* x &+ 2] = ResizeTaps.rounded(blue)
        }
    }

    /// Output row `y` of rows of `row` bytes that start at `from`.
    func blendDown(
        _ from: UnsafePointer<UInt8>, into to: UnsafeMutablePointer<UInt8>, row: Int, to y: Int
    ) {
        let weights = weights + y * most
        let count = counts[y]
        let first = from + firsts[y] * row
        guard row >= 8 else {
            for i in 0..<row {
                var sum: Int32 = 0
                for k in 0..<count { sum &+= weights[k] &* Int32(first[k &* row &+ i]) }
                to[i] = ResizeTaps.rounded(sum)
            }
            return
        }
        // Eight columns at a time; the last eight may be some of those before.
        var i = 0
        while i < row {
            i = min(i, row &- 8)
            var sums = SIMD8<Int32>()
            var next = UnsafeRawPointer(first + i)
            for k in 0..<count {
                sums &+=
                    SIMD8<Int32>(truncatingIfNeeded: next.loadUnaligned(as: SIMD8<UInt8>.self)) &* weights[k]
                next += row
            }
            for lane in 0..<8 { to[i &+ lane] = ResizeTaps.rounded(sums[lane]) }
            i &+= 8
        }
    }

    @inline(__always) private static func rounded(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max((sum &+ 1 &<< 13) &>> 14, 0), 255))
    }
}
