import Digests

/// Inflates zlib streams (RFC 1950, RFC 1951).
public enum Zlib {
    /// The data of one whole zlib stream, at most `limit` bytes of it.
    public static func inflate(_ bytes: [UInt8], limit: Int) throws(ImageError) -> [UInt8] {
        fatalError("pending")
    }
}
