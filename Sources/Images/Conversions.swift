extension PixelImage {
    /// Grey by (77 R + 150 G + 29 B + 128) >> 8, or grey replicated to RGB; itself when nothing changes.
    public func converted(channels: Int) -> PixelImage {
        precondition(channels == 1 || channels == 3, "grey or RGB")
        if channels == self.channels { return self }
        return made(width: width, height: height, channels: channels) { from, to in
            for i in 0..<width * height {
                if channels == 1 {
                    let (red, green, blue) = (from[3 &* i], from[3 &* i &+ 1], from[3 &* i &+ 2])
                    let sum = 77 &* UInt32(red) &+ 150 &* UInt32(green) &+ 29 &* UInt32(blue)
                    to[i] = UInt8(truncatingIfNeeded: (sum &+ 128) &>> 8)
                } else {
                    to[3 &* i] = from[i]
                    to[3 &* i &+ 1] = from[i]
                    to[3 &* i &+ 2] = from[i]
                }
            }
        }
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
            image = image.made(width: width, height: image.height, channels: channels) { from, to in
                for y in 0..<self.height {
                    taps.blendAcross(
                        from + y * self.width * channels, into: to + y * width * channels, channels: channels)
                }
            }
        }
        if height != image.height {
            let taps = ResizeTaps(from: image.height, to: height)
            let row = width * channels
            image = image.made(width: width, height: height, channels: channels) { from, to in
                for y in 0..<height { taps.blendDown(from, into: to + y * row, row: row, to: y) }
            }
        }
        return image
    }

    /// Converted and resized to what a model takes.
    public func fitted(width: Int, height: Int, channels: Int) -> PixelImage {
        converted(channels: channels).resized(width: width, height: height)
    }

    /// Another picture whose pixels `body` makes from these, all of them.
    private func made(
        width: Int, height: Int, channels: Int,
        _ body: (_ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>) -> Void
    ) -> PixelImage {
        let count = width * height * channels
        let result = pixels.withUnsafeBufferPointer { from in
            [UInt8](unsafeUninitializedCapacity: count) { to, made in
                guard let from = from.baseAddress, let to = to.baseAddress else { return }
                body(from, to)
                made = count
            }
        }
        return PixelImage(width: width, height: height, channels: channels, pixels: result)
    }
}
