/// What a decoder may be asked to hold, checked before memory is taken.
public struct ImageLimits: Equatable, Sendable {
    public var maximumWidth: Int
    public var maximumHeight: Int
    public var maximumPixels: Int

    public init(maximumWidth: Int = 16_384, maximumHeight: Int = 16_384, maximumPixels: Int = 16_777_216) {
        self.maximumWidth = maximumWidth
        self.maximumHeight = maximumHeight
        self.maximumPixels = maximumPixels
    }

    /// For a canister: pictures up to 2,048 x 2,048.
    public static let small = ImageLimits(
        maximumWidth: 2_048, maximumHeight: 2_048, maximumPixels: 4_194_304)
}

/// Why bytes are not a picture, with the byte offset where that shows.
public struct ImageError: Error, Equatable, Sendable {
    public enum Reason: Equatable, Sendable {
        case notPNG
        /// The file ends inside a chunk, or before IEND.
        case truncated
        /// A chunk's CRC-32 does not match.
        case badChecksum
        /// Sizes, bit depth, colour type, compression, filter or interlace method that PNG does not define.
        case badHeader
        /// A chunk that is missing, repeated, too long or in the wrong place.
        case badChunk
        /// A critical chunk this decoder does not know.
        case unknownCriticalChunk
        /// More pixels than the limits allow.
        case tooLarge(width: Int, height: Int)
        /// The zlib stream is damaged.
        case badCompression
        /// The zlib stream's Adler-32 does not match.
        case badAdler
        /// The zlib stream holds more than the picture needs.
        case tooMuchData(limit: Int)
        /// The zlib stream holds less than the picture needs.
        case tooLittleData(expected: Int, found: Int)
        /// A row's filter type is not 0…4.
        case badFilter
        /// A pixel's palette index is beyond the palette.
        case badPaletteIndex
    }

    public let reason: Reason
    /// Byte offset in the file (in the inflated data for filters and palette indices).
    public let offset: Int

    public init(_ reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// One clause for people, without the numbers.
    public var message: StaticString {
        switch reason {
        case .notPNG: "not a PNG file"
        case .truncated: "the PNG file ends too early"
        case .badChecksum: "a PNG chunk does not match its CRC-32"
        case .badHeader: "the PNG header is not valid"
        case .badChunk: "a PNG chunk is missing, repeated, too long or out of place"
        case .unknownCriticalChunk: "an unknown critical PNG chunk"
        case .tooLarge: "the picture has more pixels than allowed"
        case .badCompression: "the compressed data are damaged"
        case .badAdler: "the compressed data do not match their Adler-32"
        case .tooMuchData: "the compressed data are longer than the picture"
        case .tooLittleData: "the compressed data are shorter than the picture"
        case .badFilter: "an unknown PNG row filter"
        case .badPaletteIndex: "a pixel refers to a colour beyond the palette"
        }
    }
}
