import CSIMD

/// The mean of windows with requantisation: `clamp(round(Float(Σ x) * multiplier))`, without padding.
package struct QS8AveragePool: Sendable {
    let windowHeight: Int
    let windowWidth: Int
    let stride: Int
    let multiplier: Float
    let low: Int16
    let high: Int16

    package init(
        windowHeight: Int, windowWidth: Int, stride: Int, multiplier: Float, low: Int16, high: Int16
    ) {
        self.windowHeight = windowHeight
        self.windowWidth = windowWidth
        self.stride = stride
        self.multiplier = multiplier
        self.low = low
        self.high = high
    }

    /// One picture from plane to plane; the output's border is left alone.
    package func run(
        _ source: UnsafePointer<Int16>, _ input: QS8Plane, _ target: UnsafeMutablePointer<Int16>,
        _ output: QS8Plane
    ) {
        let factor = lanes_splat_f32(multiplier)
        let low = lanes_splat_i16(low)
        let high = lanes_splat_i16(high)
        for y in 0..<output.height {
            for x in 0..<output.width {
                let from = source + input.offset(y * stride, x * stride)
                let to = target + output.offset(y, x)
                var c = 0
                while c < input.channels {
                    let (a, b) = sums(from + c, input)
                    let q = lanes_narrow(lanes_requantise(a, factor), lanes_requantise(b, factor))
                    storeSome(lanes_min_i16(lanes_max_i16(q, low), high), to + c, input.channels - c)
                    c &+= 8
                }
            }
        }
    }

    /// Sums of a window for eight channels.
    @inline(__always)
    private func sums(_ from: UnsafePointer<Int16>, _ input: QS8Plane) -> (SIMD4<Int32>, SIMD4<Int32>) {
        var a = SIMD4<Int32>.zero
        var b = SIMD4<Int32>.zero
        for dy in 0..<windowHeight {
            var p = from + dy &* input.rowPitch
            for _ in 0..<windowWidth {
                let v = lanes_load(p)
                a = lanes_add_i32(a, lanes_extend_low_i16(v))
                b = lanes_add_i32(b, lanes_extend_high_i16(v))
                p += input.channels
            }
        }
        return (a, b)
    }
}

/// The sum of two activations with requantisation: `clamp(round(Float(a) * multiplier + Float(b) * other))`.
package struct QS8Add: Sendable {
    let multiplier: Float
    let otherMultiplier: Float
    let low: Int16
    let high: Int16

    package init(multiplier: Float, otherMultiplier: Float, low: Int16, high: Int16) {
        self.multiplier = multiplier
        self.otherMultiplier = otherMultiplier
        self.low = low
        self.high = high
    }

    /// One picture; the three planes differ in nothing but their borders, and that of the output is left alone.
    package func run(
        _ a: UnsafePointer<Int16>, _ planeA: QS8Plane, _ b: UnsafePointer<Int16>, _ planeB: QS8Plane,
        _ target: UnsafeMutablePointer<Int16>, _ output: QS8Plane
    ) {
        let x = lanes_splat_f32(multiplier)
        let y = lanes_splat_f32(otherMultiplier)
        let low = lanes_splat_i16(low)
        let high = lanes_splat_i16(high)
        for row in 0..<output.height {
            var left = a + planeA.offset(row, 0)
            var right = b + planeB.offset(row, 0)
            var to = target + output.offset(row, 0)
            let end = to + output.width * output.channels
            while to + 16 <= end {
                let p = sum(left, x, right, y, low, high)
                let q = sum(left + 8, x, right + 8, y, low, high)
                lanes_store(to, p)
                lanes_store(to + 8, q)
                left += 16
                right += 16
                to += 16
            }
            while to < end {
                storeSome(sum(left, x, right, y, low, high), to, end - to)
                left += 8
                right += 8
                to += 8
            }
        }
    }

    /// Eight numbers.
    @inline(__always)
    private func sum(
        _ left: UnsafePointer<Int16>, _ x: SIMD4<Int32>, _ right: UnsafePointer<Int16>, _ y: SIMD4<Int32>,
        _ low: SIMD4<Int32>, _ high: SIMD4<Int32>
    ) -> SIMD4<Int32> {
        let u = lanes_load(left)
        let v = lanes_load(right)
        let q = lanes_narrow(
            lanes_requantise_sum(lanes_extend_low_i16(u), x, lanes_extend_low_i16(v), y),
            lanes_requantise_sum(lanes_extend_high_i16(u), x, lanes_extend_high_i16(v), y))
        return lanes_min_i16(lanes_max_i16(q, low), high)
    }
}

/// Stores the first `count` (at most 8) of eight 16-bit numbers.
@inline(__always)
func storeSome(_ v: SIMD4<Int32>, _ target: UnsafeMutablePointer<Int16>, _ count: Int) {
    if count >= 8 { return lanes_store(target, v) }
    let numbers = unsafeBitCast(v, to: SIMD8<Int16>.self)
    for i in 0..<count { target[i] = numbers[i] }
}
