/// An 8-bit picture: height, width, 1 (grey) or 3 (RGB) interleaved channels.
public struct PixelImage: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let channels: Int
    /// Row by row, HWC.
    public let pixels: [UInt8]

    /// `pixels.count` is `width * height * channels`, all sizes at least 1, channels 1 or 3.
    public init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0 && (channels == 1 || channels == 3), "sizes of a picture")
        precondition(pixels.count == width * height * channels, "count of pixels")
        self.width = width
        self.height = height
        self.channels = channels
        self.pixels = pixels
    }
}
