import CSIMD

/// The layers around the products: bytes to centred integers, and max pooling.
package enum QS8Elementwise {
    /// Numbers after which the pattern of zero points repeats in vectors: 8 times 1 or 3 channels.
    package static let zeroPointPattern = 24

    /// Writes `pixel - zeroPoint` into a bordered plane; its border is left alone.
    ///
    /// `pixels` are HWC bytes; `zeroPoints` is the pattern of one per channel repeated to 24 numbers.
    package static func centre(
        _ pixels: UnsafePointer<UInt8>, zeroPoints: UnsafePointer<Int16>, plane: QS8Plane,
        _ target: UnsafeMutablePointer<Int16>
    ) {
        let a = lanes_load(zeroPoints)
        let b = lanes_load(zeroPoints + 8)
        let c = lanes_load(zeroPoints + 16)
        let count = plane.width * plane.channels
        // The pattern starts again behind it, and fits the last vector of a row shifted by some numbers.
        let rest = count % zeroPointPattern
        let last = lanes_load(zeroPoints + (rest + zeroPointPattern - 8) % plane.channels)
        let pitch = plane.rowPitch
        var from = pixels
        var to = target + plane.offset(0, 0)
        for _ in 0..<plane.height {
            var x = 0
            while x &+ zeroPointPattern <= count {
                lanes_store(to + x, lanes_sub_i16(lanes_widen_u8(from + x), a))
                lanes_store(to + x + 8, lanes_sub_i16(lanes_widen_u8(from + x + 8), b))
                lanes_store(to + x + 16, lanes_sub_i16(lanes_widen_u8(from + x + 16), c))
                x &+= zeroPointPattern
            }
            if rest > 0, count >= 8 {
                if rest > 8 { lanes_store(to + x, lanes_sub_i16(lanes_widen_u8(from + x), a)) }
                if rest > 16 { lanes_store(to + x + 8, lanes_sub_i16(lanes_widen_u8(from + x + 8), b)) }
                lanes_store(to + (count &- 8), lanes_sub_i16(lanes_widen_u8(from + (count &- 8)), last))
            } else {
                for i in 0..<rest { to[i] = Int16(from[i]) &- zeroPoints[i] }
            }
            from += count
            to += pitch
        }
    }

    /// The largest of each `window` x `window` square, every `stride` pixels, without padding.
    package static func maxPool(
        _ source: UnsafePointer<Int16>, _ input: QS8Plane, _ target: UnsafeMutablePointer<Int16>,
        _ output: QS8Plane, window: Int, stride: Int
    ) {
        let channels = input.channels
        for y in 0..<output.height {
            for x in 0..<output.width {
                let from = source + input.offset(y * stride, x * stride)
                let to = target + output.offset(y, x)
                var c = 0
                while c &+ 8 <= channels {
                    var best = lanes_load(from + c)
                    for dy in 0..<window {
                        for dx in 0..<window {
                            let place = dy &* input.rowPitch &+ dx &* channels &+ c
                            best = lanes_max_i16(best, lanes_load(from + place))
                        }
                    }
                    lanes_store(to + c, best)
                    c &+= 8
                }
                while c < channels {
                    var best = from[c]
                    for dy in 0..<window {
                        for dx in 0..<window {
                            best = max(best, from[dy &* input.rowPitch &+ dx &* channels &+ c])
                        }
                    }
                    to[c] = best
                    c &+= 1
                }
            }
        }
    }

    /// The numbers of a plane without its border, row after row.
    package static func copyRows(
        _ source: UnsafePointer<Int16>, _ input: QS8Plane, _ target: UnsafeMutablePointer<Int16>
    ) {
        let count = input.width * input.channels
        for row in 0..<input.height {
            (target + row * count).update(from: source + input.offset(row, 0), count: count)
        }
    }
}
