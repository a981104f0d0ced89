import Digests
import Testing

private func text(_ bytes: [UInt8]) -> String { String(decoding: Hex.encode(bytes), as: UTF8.self) }

@Suite struct SHA256Tests {
    /// FIPS 180-4 examples and NIST CAVP short messages.
    static let vectors: [(message: String, digest: String)] = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("616263", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "6162636462636465636465666465666765666768666768696768696a68696a6b696a6b6c6a6b6c6d6b6c6d6e6c6d6e6f6d"
                + "6e6f706e6f7071", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        ("d3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"),
        ("11af", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"),
    ]

    @Test("published vectors", arguments: vectors)
    func published(_ vector: (message: String, digest: String)) throws {
        let message = try #require(Hex.decode(Array(vector.message.utf8)))
        #expect(text(SHA256.hash(message)) == vector.digest)
    }

    @Test("a million letters, whole and in pieces", arguments: [1, 3, 55, 56, 63, 64, 65, 1000, 1_000_000])
    func million(piece: Int) {
        var hasher = SHA256()
        var left = 1_000_000
        while left > 0 {
            hasher.update([UInt8](repeating: 0x61, count: min(piece, left)))
            left -= piece
        }
        #expect(
            text(hasher.finalize()) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test("every length around the block, against one update per byte")
    func lengths() {
        for length in 0...200 {
            let message = (0..<length).map { UInt8($0) }
            var hasher = SHA256()
            for byte in message { hasher.update([byte]) }
            #expect(hasher.finalize() == SHA256.hash(message))
        }
    }

    @Test("a hash interrupted anywhere goes on from its exported state")
    func exported() throws {
        let message = (0..<300).map { UInt8(truncatingIfNeeded: $0 * 7) }
        for cut in 0...300 {
            var first = SHA256()
            first.update(Array(message[..<cut]))
            let state = first.exported()
            #expect(state.count == SHA256.exportedByteCount)
            var second = try #require(SHA256(exported: state))
            second.update(Array(message[cut...]))
            #expect(second.finalize() == SHA256.hash(message))
        }
        #expect(SHA256(exported: [1, 2, 3]) == nil)
    }
}

@Suite struct ChecksumTests {
    @Test("CRC-32 of known texts")
    func crc() {
        #expect(CRC32.checksum([]) == 0)
        #expect(CRC32.checksum(Array("123456789".utf8)) == 0xcbf4_3926)
        #expect(CRC32.checksum(Array("IEND".utf8)) == 0xae42_6082)
        #expect(CRC32.checksum(Array("xx123456789yy".utf8), in: 2..<11) == 0xcbf4_3926)
        #expect(CRC32.checksum(Array("The quick brown fox jumps over the lazy dog".utf8)) == 0x414f_a339)
    }

    @Test("both checksums of every length up to 700, bit by bit and byte by byte")
    func lengths() {
        let bytes = (0..<700).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 &+ $0 / 7) }
        var crc: UInt32 = 0xffff_ffff
        var (a, b): (UInt32, UInt32) = (1, 0)
        for count in 0...700 {
            #expect(CRC32.checksum(Array(bytes[..<count])) == ~crc, "\(count)")
            #expect(Adler32.checksum(Array(bytes[..<count])) == b << 16 | a, "\(count)")
            guard count < 700 else { break }
            crc ^= UInt32(bytes[count])
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
            a = (a + UInt32(bytes[count])) % 65_521
            b = (b + a) % 65_521
        }
    }

    @Test("Adler-32 of known texts and of sums at their largest")
    func adler() {
        #expect(Adler32.checksum([]) == 1)
        #expect(Adler32.checksum(Array("Wikipedia".utf8)) == 0x11e6_0398)
        #expect(Adler32.checksum([UInt8](repeating: 255, count: 100_000)) == 0x149a_302c)
    }

    @Test("hexadecimal both ways, and what is not")
    func hex() {
        #expect(Hex.decode(Array("00ffA5".utf8)) == [0, 255, 0xa5])
        #expect(Hex.decode(Array("0".utf8)) == nil)
        #expect(Hex.decode(Array("0g".utf8)) == nil)
        #expect(text([0, 255, 0x5a]) == "00ff5a")
    }
}
