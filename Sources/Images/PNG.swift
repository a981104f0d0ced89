import Digests

/// Decodes PNG files of every colour type, bit depth and interlace method.
public enum PNG {
    /// The picture as 8-bit grey or RGB: deeper samples rounded, palettes looked up, alpha dropped.
    public static func decode(_ bytes: [UInt8], limits: ImageLimits) throws(ImageError) -> PixelImage {
        fatalError("pending")
    }
}
