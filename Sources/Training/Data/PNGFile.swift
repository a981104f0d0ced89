import CPNG
import Images

/// Reads and writes PNG bytes through libpng, with the conversions of `Images.PNG`.
public enum PNGFile {
    /// The largest image that is decoded; the same limits as those of `Images.PNG`.
    public static let limits = ImageLimits()
    /// The largest file that is read.
    static let maximumFileBytes = 256 << 20

    /// The geometry that the header promises, after the limits were checked.
    public static func geometry(_ bytes: [UInt8]) throws(DataFormatError) -> ImageGeometry {
        var header = cpng_header()
        try check(bytes) { cpng_read_header($0.baseAddress, $0.count, &header, $1) }
        let (width, height) = (Int(header.width), Int(header.height))
        guard width <= limits.maximumWidth, height <= limits.maximumHeight,
            width * height <= limits.maximumPixels
        else {
            throw DataFormatError(
                offset: 16,
                reason: "an image of \(width)x\(height) pixels is larger than the limit of "
                    + "\(limits.maximumWidth)x\(limits.maximumHeight) and \(limits.maximumPixels) pixels in all"
            )
        }
        return ImageGeometry(height: height, width: width, channels: Int(header.channels))
    }

    /// The image as 8-bit grey or RGB; nothing is allocated for it before its size was checked.
    public static func decode(_ bytes: [UInt8]) throws(DataFormatError) -> PixelImage {
        let geometry = try geometry(bytes)
        var pixels = [UInt8](repeating: 0, count: geometry.byteCount)
        try check(bytes) { input, message in
            pixels.withUnsafeMutableBufferPointer {
                cpng_decode(input.baseAddress, input.count, $0.baseAddress, $0.count, message)
            }
        }
        return PixelImage(
            width: geometry.width, height: geometry.height, channels: geometry.channels, pixels: pixels)
    }

    /// The bytes of a PNG file of an 8-bit grey or RGB image.
    public static func encode(
        _ pixels: ArraySlice<UInt8>, geometry: ImageGeometry
    ) throws(DataFormatError) -> [UInt8] {
        precondition(pixels.count == geometry.byteCount, "pixels and geometry disagree")
        // Filter bytes, headers, and deflate's worst case (stored blocks).
        var output = [UInt8](repeating: 0, count: pixels.count + pixels.count / 100 + geometry.height + 1024)
        var count = 0
        try check(Array(pixels)) { input, message in
            output.withUnsafeMutableBufferPointer {
                count = cpng_encode(
                    input.baseAddress, UInt32(geometry.width), UInt32(geometry.height),
                    Int32(geometry.channels), $0.baseAddress, $0.count, message)
            }
            return count < 0 || count > output.count ? -1 : 0
        }
        return Array(output[0..<count])
    }

    /// Runs a function of the shim and turns its message into an error.
    private static func check(
        _ bytes: [UInt8],
        _ body: (UnsafeBufferPointer<UInt8>, UnsafeMutablePointer<CChar>) -> Int32
    ) throws(DataFormatError) {
        var message = [CChar](repeating: 0, count: Int(CPNG_MESSAGE_BYTES))
        let code = message.withUnsafeMutableBufferPointer { text in
            // An array's buffer has an address unless it is empty, and this one is not.
            guard let text = text.baseAddress else { return Int32(-1) }
            return bytes.withUnsafeBufferPointer { body($0, text) }
        }
        guard code != 0 else { return }
        let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        throw DataFormatError(
            offset: nil, reason: "not a readable PNG image: " + String(decoding: text, as: UTF8.self))
    }
}
