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
                    storeClamped(q, low, high, to + c, input.channels - c)
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
        let count = output.width * output.channels
        for row in 0..<output.height {
            let left = a + planeA.offset(row, 0)
            let right = b + planeB.offset(row, 0)
            let to = target + output.offset(row, 0)
            var i = 0
            while i < count {
                let u = lanes_load(left + i)
                let v = lanes_load(right + i)
                let q = lanes_narrow(
                    lanes_requantise_sum(lanes_extend_low_i16(u), x, lanes_extend_low_i16(v), y),
                    lanes_requantise_sum(lanes_extend_high_i16(u), x, lanes_extend_high_i16(v), y))
                storeClamped(q, low, high, to + i, count &- i)
                i &+= 8
            }
        }
    }
}

/// Stores the first `count` (at most 8) of eight 16-bit numbers within `low…high`.
@inline(__always)
func storeClamped(
    _ q: SIMD4<Int32>, _ low: SIMD4<Int32>, _ high: SIMD4<Int32>, _ target: UnsafeMutablePointer<Int16>,
    _ count: Int
) {
    let v = lanes_min_i16(lanes_max_i16(q, low), high)
    if count >= 8 { return lanes_store(target, v) }
    let numbers = unsafeBitCast(v, to: SIMD8<Int16>.self)
    for i in 0..<count { target[i] = numbers[i] }
}
