import CPNG
import Images

/// What libpng, the decoder of the training side, makes of a file.
enum LibPNG: Equatable {
    case decoded(PixelImage, warning: String)
    case refused(String)
    case tooLarge

    var image: PixelImage? {
        if case .decoded(let image, _) = self { return image }
        return nil
    }

    init(decoding file: [UInt8], limits: ImageLimits) {
        var message = [CChar](repeating: 0, count: Int(CPNG_MESSAGE_BYTES))
        var header = cpng_header()
        guard cpng_read_header(file, file.count, &header, &message) == 0 else {
            self = .refused(LibPNG.text(message))
            return
        }
        let (width, height, channels) = (Int(header.width), Int(header.height), Int(header.channels))
        guard width <= limits.maximumWidth, height <= limits.maximumHeight,
            width * height <= limits.maximumPixels
        else {
            self = .tooLarge
            return
        }
        var pixels = [UInt8](repeating: 0, count: width * height * channels)
        guard cpng_decode(file, file.count, &pixels, pixels.count, &message) == 0 else {
            self = .refused(LibPNG.text(message))
            return
        }
        self = .decoded(
            PixelImage(width: width, height: height, channels: channels, pixels: pixels),
            warning: LibPNG.text(message))
    }

    private static func text(_ message: [CChar]) -> String {
        String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
