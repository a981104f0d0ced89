/// Adler-32 (RFC 1950), the checksum at the end of a zlib stream.
public enum Adler32 {
    public static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var a: UInt32 = 1
        var b: UInt32 = 0
        guard let base = bytes.baseAddress else { return 1 }
        let modulus: UInt32 = 65_521
        var offset = 0
        while offset < bytes.count {
            // 5,552 is the longest run whose sums still fit 32 bits.
            let end = min(offset &+ 5_552, bytes.count)
            while offset &+ 8 <= end {
                for i in 0..<8 {
                    a &+= UInt32(base.load(fromByteOffset: offset &+ i, as: UInt8.self))
                    b &+= a
                }
                offset &+= 8
            }
            while offset < end {
                a &+= UInt32(base.load(fromByteOffset: offset, as: UInt8.self))
                b &+= a
                offset &+= 1
            }
            a %= modulus
            b %= modulus
        }
        return b << 16 | a
    }

    public static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { checksum($0) }
    }
}
