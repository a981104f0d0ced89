extension PixelImage {
    /// Grey by (77 R + 150 G + 29 B + 128) >> 8, or grey replicated to RGB; itself when nothing changes.
    public func converted(channels: Int) -> PixelImage {
        precondition(channels == 1 || channels == 3, "grey or RGB")
        if channels == self.channels { return self }
        let count = width * height
        var result = [UInt8](repeating: 0, count: count * channels)
        for i in 0..<count {
            if channels == 1 {
                let sum = 77 * Int(pixels[3 * i]) + 150 * Int(pixels[3 * i + 1]) + 29 * Int(pixels[3 * i + 2])
                result[i] = UInt8((sum + 128) >> 8)
            } else {
                for c in 0..<3 { result[3 * i + c] = pixels[i] }
            }
        }
        return PixelImage(width: width, height: height, channels: channels, pixels: result)
    }

    /// At another size by a triangle filter in integers, widened when shrinking so that no pixel is left out;
    /// itself at the same size.
    ///
    /// Each direction rounds once to 8 bits; weights are in units of 2^-14 and sum to one exactly.
    public func resized(width: Int, height: Int) -> PixelImage {
        precondition(width > 0 && height > 0, "sizes of a picture")
        var image = self
        if width != image.width {
            let taps = ResizeTaps(from: image.width, to: width)
            var result = [UInt8](repeating: 0, count: width * image.height * channels)
            for y in 0..<image.height {
                for x in 0..<width {
                    for c in 0..<channels {
                        result[(y * width + x) * channels + c] = taps.blend(
                            x, image.pixels, start: y * image.width * channels + c, step: channels)
                    }
                }
            }
            image = PixelImage(width: width, height: image.height, channels: channels, pixels: result)
        }
        if height != image.height {
            let taps = ResizeTaps(from: image.height, to: height)
            let row = width * channels
            var result = [UInt8](repeating: 0, count: row * height)
            for y in 0..<height {
                for i in 0..<row { result[y * row + i] = taps.blend(y, image.pixels, start: i, step: row) }
            }
            image = PixelImage(width: width, height: height, channels: channels, pixels: result)
        }
        return image
    }

    /// Converted and resized to what a model takes.
    public func fitted(width: Int, height: Int, channels: Int) -> PixelImage {
        converted(channels: channels).resized(width: width, height: height)
    }
}

/// For each output position the first input it looks at and its weights.
private struct ResizeTaps {
    private let firsts: [Int]
    private let starts: [Int]
    private let weights: [Int32]

    private static let one: Int64 = 1 << 14

    /// Output x is centred at (2x + 1) * from / (2 * to) in input pixels; the triangle's half width is one output
    /// pixel when shrinking and one input pixel when growing. All positions are multiples of 1 / (2 * to).
    init(from: Int, to: Int) {
        var firsts: [Int] = []
        var starts = [0]
        var weights: [Int32] = []
        let reach = Int64(2 * max(from, to))
        for x in 0..<to {
            let centre = Int64(2 * x + 1) * Int64(from)
            var raw: [Int64] = []
            var first = 0
            var sum: Int64 = 0
            let lowest = max(0, (centre - reach) / Int64(2 * to) - 1)
            let highest = min(Int64(from - 1), (centre + reach) / Int64(2 * to) + 1)
            for i in lowest...highest {
                let place = (2 * i + 1) * Int64(to)
                let weight = reach - (place > centre ? place - centre : centre - place)
                guard weight > 0 else { continue }
                if raw.isEmpty { first = Int(i) }
                raw.append(weight)
                sum += weight
            }
            // Round each weight, and give what is left over to the largest.
            var left = ResizeTaps.one
            var largest = 0
            var rounded: [Int64] = []
            for k in 0..<raw.count {
                rounded.append((raw[k] * ResizeTaps.one * 2 + sum) / (2 * sum))
                left -= rounded[k]
                if raw[k] > raw[largest] { largest = k }
            }
            rounded[largest] += left
            firsts.append(first)
            for weight in rounded { weights.append(Int32(weight)) }
            starts.append(weights.count)
        }
        self.firsts = firsts
        self.starts = starts
        self.weights = weights
    }

    func blend(_ x: Int, _ pixels: [UInt8], start: Int, step: Int) -> UInt8 {
        var sum: Int32 = 1 << 13
        var at = start + firsts[x] * step
        for k in starts[x]..<starts[x + 1] {
            sum += weights[k] * Int32(pixels[at])
            at += step
        }
        return UInt8(min(max(sum >> 14, 0), 255))
    }
}
