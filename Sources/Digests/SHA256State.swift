/// The eight chaining words of SHA-256 and its compression function.
struct SHA256State: Sendable {
    private var a: UInt32 = 0x6a09_e667
    private var b: UInt32 = 0xbb67_ae85
    private var c: UInt32 = 0x3c6e_f372
    private var d: UInt32 = 0xa54f_f53a
    private var e: UInt32 = 0x510e_527f
    private var f: UInt32 = 0x9b05_688c
    private var g: UInt32 = 0x1f83_d9ab
    private var h: UInt32 = 0x5be0_cd19

    init() {}

    /// From the first 32 of `bytes`, big-endian.
    init(bytes: [UInt8]) {
        precondition(bytes.count >= 32, "eight words")
        bytes.withUnsafeBytes { raw in
            let p = raw.baseAddress!
            a = SHA256State.word(p, 0)
            b = SHA256State.word(p, 1)
            c = SHA256State.word(p, 2)
            d = SHA256State.word(p, 3)
            e = SHA256State.word(p, 4)
            f = SHA256State.word(p, 5)
            g = SHA256State.word(p, 6)
            h = SHA256State.word(p, 7)
        }
    }

    var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(SHA256.exportedByteCount)
        for word in [a, b, c, d, e, f, g, h] {
            for shift: UInt32 in [24, 16, 8, 0] { result.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        return result
    }

    /// Takes in `blocks` blocks of 64 bytes.
    ///
    /// Sixteen rounds are written out with their variables renamed instead of moved; the message schedule lives
    /// in sixteen locals, so that the only memory traffic is the block and the round constants.
    mutating func absorb(_ bytes: UnsafeRawPointer, blocks: Int) {
        roundConstants.withUnsafeBufferPointer { constants in
            let k = constants.baseAddress!
            for block in 0..<blocks {
                var w = Schedule(bytes + block * 64)
                var s = self
                s.sixteen(w, k)
                for group in 1..<4 {
                    w.advance()
                    s.sixteen(w, k + group * 16)
                }
                a &+= s.a
                b &+= s.b
                c &+= s.c
                d &+= s.d
                e &+= s.e
                f &+= s.f
                g &+= s.g
                h &+= s.h
            }
        }
    }

    @inline(__always)
    private mutating func sixteen(_ w: Schedule, _ k: UnsafePointer<UInt32>) {
        eight(w.w0, w.w1, w.w2, w.w3, w.w4, w.w5, w.w6, w.w7, k)
        eight(w.w8, w.w9, w.w10, w.w11, w.w12, w.w13, w.w14, w.w15, k + 8)
    }

    @inline(__always)
    private mutating func eight(
        _ w0: UInt32, _ w1: UInt32, _ w2: UInt32, _ w3: UInt32,
        _ w4: UInt32, _ w5: UInt32, _ w6: UInt32, _ w7: UInt32, _ k: UnsafePointer<UInt32>
    ) {
        SHA256State.round(a, b, c, &d, e, f, g, &h, w0 &+ k[0])
        SHA256State.round(h, a, b, &c, d, e, f, &g, w1 &+ k[1])
        SHA256State.round(g, h, a, &b, c, d, e, &f, w2 &+ k[2])
        SHA256State.round(f, g, h, &a, b, c, d, &e, w3 &+ k[3])
        SHA256State.round(e, f, g, &h, a, b, c, &d, w4 &+ k[4])
        SHA256State.round(d, e, f, &g, h, a, b, &c, w5 &+ k[5])
        SHA256State.round(c, d, e, &f, g, h, a, &b, w6 &+ k[6])
        SHA256State.round(b, c, d, &e, f, g, h, &a, w7 &+ k[7])
    }

    /// The sums of rotations are nested: rotating in place needs no copies of a value, a tenth less time on x86-64.
    @inline(__always)
    private static func round(
        _ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: inout UInt32,
        _ e: UInt32, _ f: UInt32, _ g: UInt32, _ h: inout UInt32, _ input: UInt32
    ) {
        let t = h &+ rotate(rotate(rotate(e, 14) ^ e, 5) ^ e, 6) &+ (g ^ (e & (f ^ g))) &+ input
        d &+= t
        h = t &+ rotate(rotate(rotate(a, 9) ^ a, 11) ^ a, 2) &+ ((a & b) | (c & (a | b)))
    }

    @inline(__always)
    fileprivate static func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { x &>> n | x &<< (32 &- n) }

    @inline(__always)
    fileprivate static func word(_ p: UnsafeRawPointer, _ i: Int) -> UInt32 {
        UInt32(bigEndian: p.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self))
    }
}

/// Sixteen consecutive words of the message schedule.
private struct Schedule {
    var w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15: UInt32

    @inline(__always)
    init(_ p: UnsafeRawPointer) {
        w0 = SHA256State.word(p, 0)
        w1 = SHA256State.word(p, 1)
        w2 = SHA256State.word(p, 2)
        w3 = SHA256State.word(p, 3)
        w4 = SHA256State.word(p, 4)
        w5 = SHA256State.word(p, 5)
        w6 = SHA256State.word(p, 6)
        w7 = SHA256State.word(p, 7)
        w8 = SHA256State.word(p, 8)
        w9 = SHA256State.word(p, 9)
        w10 = SHA256State.word(p, 10)
        w11 = SHA256State.word(p, 11)
        w12 = SHA256State.word(p, 12)
        w13 = SHA256State.word(p, 13)
        w14 = SHA256State.word(p, 14)
        w15 = SHA256State.word(p, 15)
    }

    @inline(__always)
    mutating func advance() {
        w0 = next(w0, w1, w9, w14)
        w1 = next(w1, w2, w10, w15)
        w2 = next(w2, w3, w11, w0)
        w3 = next(w3, w4, w12, w1)
        w4 = next(w4, w5, w13, w2)
        w5 = next(w5, w6, w14, w3)
        w6 = next(w6, w7, w15, w4)
        w7 = next(w7, w8, w0, w5)
        w8 = next(w8, w9, w1, w6)
        w9 = next(w9, w10, w2, w7)
        w10 = next(w10, w11, w3, w8)
        w11 = next(w11, w12, w4, w9)
        w12 = next(w12, w13, w5, w10)
        w13 = next(w13, w14, w6, w11)
        w14 = next(w14, w15, w7, w12)
        w15 = next(w15, w0, w8, w13)
    }

    @inline(__always)
    private func next(_ t16: UInt32, _ t15: UInt32, _ t7: UInt32, _ t2: UInt32) -> UInt32 {
        let low = SHA256State.rotate(t15, 7) ^ SHA256State.rotate(t15, 18) ^ (t15 &>> 3)
        let high = SHA256State.rotate(t2, 17) ^ SHA256State.rotate(t2, 19) ^ (t2 &>> 10)
        return t16 &+ low &+ t7 &+ high
    }
}

/// First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
private let roundConstants: [UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
]
