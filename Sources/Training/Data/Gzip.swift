import CZlib

/// Inflates gzip streams with zlib, never past a limit that the caller states.
public enum Gzip {
    /// True when `bytes` begin with the two bytes that every gzip member begins with.
    public static func isGzip(_ bytes: [UInt8]) -> Bool {
        bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b
    }

    /// The most bytes that deflate can make of `count` compressed ones (RFC 1951: 258 bytes from two bits).
    public static func maximumInflatedBytes(of count: Int) -> Int { count * 1032 }

    /// The first bytes of the content, at most `count`; fewer when the content is shorter.
    public static func prefix(_ bytes: [UInt8], count: Int) throws(DataFormatError) -> [UInt8] {
        try run(bytes, limit: count, stopAtLimit: true)
    }

    /// The whole content: every member is inflated and its checksum and length verified.
    ///
    /// Throws when the stream is damaged or truncated, when bytes follow it that are not a further member,
    /// and when it holds more than `limit` bytes. Offsets count compressed bytes.
    public static func inflate(_ bytes: [UInt8], limit: Int) throws(DataFormatError) -> [UInt8] {
        try run(bytes, limit: limit, stopAtLimit: false)
    }

    private static func run(
        _ bytes: [UInt8], limit: Int, stopAtLimit: Bool
    ) throws(DataFormatError) -> [UInt8] {
        var stream = z_stream()
        // 15 bits of window, +16 for the gzip wrapper and nothing else.
        guard
            inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw DataFormatError(offset: 0, reason: "zlib could not start") }
        defer { inflateEnd(&stream) }

        var output: [UInt8] = []
        output.reserveCapacity(min(limit, maximumInflatedBytes(of: bytes.count)))
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        let failure: DataFormatError? = bytes.withUnsafeBufferPointer { input in
            // zlib never writes through next_in.
            stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            var given = 0
            func offset() -> Int { given - Int(stream.avail_in) }
            while true {
                if stream.avail_in == 0, given < input.count {
                    let next = min(input.count - given, 1 << 30)
                    stream.avail_in = UInt32(next)
                    given += next
                }
                // One byte past the limit tells a stream that ends there from one that goes on.
                let room = min(chunk.count, limit - output.count + (stopAtLimit ? 0 : 1))
                let code = chunk.withUnsafeMutableBufferPointer { buffer in
                    stream.next_out = buffer.baseAddress
                    stream.avail_out = UInt32(room)
                    return step(&stream)
                }
                output.append(contentsOf: chunk[0..<(room - Int(stream.avail_out))])
                if stopAtLimit, output.count == limit { return nil }
                if output.count > limit {
                    return DataFormatError(
                        offset: offset(), reason: "the stream goes on after the expected \(limit) bytes")
                }
                switch code {
                case Z_OK: continue
                case Z_STREAM_END:
                    let end = offset()
                    if end == input.count { return nil }
                    guard input.count - end >= 2, input[end] == 0x1f, input[end + 1] == 0x8b else {
                        return DataFormatError(
                            offset: end,
                            reason: "\(input.count - end) bytes follow the end of the gzip stream")
                    }
                    inflateReset(&stream)
                case Z_BUF_ERROR where offset() == input.count:
                    return DataFormatError(offset: input.count, reason: "the gzip stream is truncated")
                default:
                    let detail = stream.msg.map { String(cString: $0) } ?? "zlib error \(code)"
                    return DataFormatError(offset: offset(), reason: "the gzip stream is damaged: \(detail)")
                }
            }
        }
        if let failure { throw failure }
        return output
    }

    private static func step(_ stream: inout z_stream) -> Int32 {
        CZlib.inflate(&stream, Z_NO_FLUSH)
    }
}
