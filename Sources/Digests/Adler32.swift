/// Adler-32 (RFC 1950), the checksum at the end of a zlib stream.
public enum Adler32 {
    public static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var a: UInt32 = 1
        var b: UInt32 = 0
        guard var next = bytes.baseAddress else { return 1 }
        let end = next + bytes.count
        while end - next >= 16 {
            // 5,552 is the longest run whose sums fit 32 bits.
            let run = next + min(end - next, 5_552) / 16 * 16
            while next < run {
                let blocks = min(run - next, vectorRun * 16)
                add(next, blocks, &a, &b)
                next += blocks
            }
            a %= modulus
            b %= modulus
        }
        while next < end {
            a &+= UInt32(next.load(as: UInt8.self))
            b &+= a
            next += 1
        }
        return (b % modulus) << 16 | a % modulus
    }

    private static let modulus: UInt32 = 65_521
    /// Blocks whose sums fit 16 bits: 255 * (0 + 1 + … + 22) < 2^16.
    private static let vectorRun = 23

    /// Adds `count` bytes, up to `vectorRun` blocks of 16, to both sums.
    @inline(__always)
    private static func add(_ bytes: UnsafeRawPointer, _ count: Int, _ a: inout UInt32, _ b: inout UInt32) {
        // For each place in a block: the sum of its bytes, and the sum of those sums.
        var sum = SIMD16<UInt16>()
        var sums = SIMD16<UInt16>()
        var next = bytes
        let end = bytes + count
        while next < end {
            sums &+= sum
            sum &+= SIMD16<UInt16>(truncatingIfNeeded: next.loadUnaligned(as: SIMD16<UInt8>.self))
            next += 16
        }
        b &+= a &* UInt32(truncatingIfNeeded: count)
        for place in 0..<16 {
            let total = UInt32(sum[place])
            a &+= total
            b &+= UInt32(sums[place]) &* 16 &+ total &* UInt32(truncatingIfNeeded: 16 &- place)
        }
    }

    public static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { checksum($0) }
    }
}
