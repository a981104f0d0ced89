import Digests

/// Inflates zlib streams (RFC 1950, RFC 1951).
public enum Zlib {
    /// The data of one whole zlib stream; throws before more than `limit` bytes of it would be held.
    ///
    /// What follows the stream is ignored. Offsets of errors count from the start of `bytes`.
    public static func inflate(_ bytes: [UInt8], limit: Int) throws(ImageError) -> [UInt8] {
        let stream = bytes + [UInt8](repeating: 0, count: BitReader.slack)
        // Deflate cannot make more than 1,032 bytes of one, so a small stream never takes much memory.
        let capacity = bytes.count < limit / 1_032 ? bytes.count * 1_032 : limit
        let output = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity + Inflater.slack)
        defer { output.deallocate() }
        let count = try inflate(padded: stream, into: output, limit: capacity)
        return [UInt8](UnsafeBufferPointer(start: output, count: count))
    }

    /// As `inflate`, of `stream` less its last `BitReader.slack` bytes, into memory for `limit` bytes and
    /// `Inflater.slack` more. Returns the count of bytes.
    static func inflate(
        padded stream: [UInt8], into output: UnsafeMutablePointer<UInt8>, limit: Int
    ) throws(ImageError) -> Int {
        let count = stream.count - BitReader.slack
        guard count >= 2 else { throw ImageError(.badCompression, offset: count) }
        let method = stream[0]
        let flags = stream[1]
        guard method & 15 == 8, method >> 4 <= 7, (Int(method) << 8 | Int(flags)) % 31 == 0, flags & 32 == 0,
            count < Int.max / 8 - BitReader.slack
        else { throw ImageError(.badCompression, offset: 0) }
        let (made, end) = try stream.withUnsafeBufferPointer { input throws(ImageError) in
            guard let start = input.baseAddress else { throw ImageError(.badCompression, offset: 0) }
            var inflater = Inflater(
                BitReader(start, count: count, from: 2), streamBytes: count, into: output, limit: limit)
            try inflater.run()
            return (inflater.count, inflater.bits.byteOffset)
        }
        guard end + 4 <= count else { throw ImageError(.badCompression, offset: count) }
        let checksum = Adler32.checksum(UnsafeRawBufferPointer(start: output, count: made))
        guard checksum == PNGHeader.number(stream, end) else { throw ImageError(.badAdler, offset: end) }
        return made
    }
}
