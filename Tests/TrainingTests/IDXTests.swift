import Testing
import Training

@Suite struct IDXTests {
    static let elements = (0..<24).map { UInt8($0 * 7 & 255) }
    static let plain = idx([2, 3, 4], elements)
    static let packed = gzip(plain)

    @Test(arguments: [plain, packed])
    func readsPlainAndGzip(bytes: [UInt8]) throws {
        let file = try IDX(bytes)
        #expect(file.sizes == [2, 3, 4])
        #expect(file.elements == IDXTests.elements)
    }

    @Test(arguments: [plain, packed])
    func refusesEveryTruncation(bytes: [UInt8]) {
        for count in 0..<bytes.count {
            let error = #expect(throws: DataFormatError.self) { try IDX(Array(bytes[..<count])) }
            #expect((error?.offset ?? -1) <= count, "an offset within the \(count) bytes")
        }
    }

    @Test func truncationNamesTheEnd() {
        let error = #expect(throws: DataFormatError.self) { try IDX(Array(IDXTests.plain.dropLast(3))) }
        #expect(error?.offset == IDXTests.plain.count - 3)
    }

    @Test(arguments: [plain, packed])
    func refusesTrailingBytes(bytes: [UInt8]) {
        for extra in [[0], [7, 8, 9], [0x1f]] as [[UInt8]] {
            let error = #expect(throws: DataFormatError.self) { try IDX(bytes + extra) }
            #expect(error?.offset == bytes.count)
        }
    }

    /// Content, checksum and length of a gzip file are all covered: a flipped bit is an error, except where it
    /// carries nothing (the hint “text”, time, compressor and system of the header, padding before the trailer).
    @Test func noFlippedBitOfGzipChangesTheContent() {
        var harmless = 0
        for at in IDXTests.packed.indices {
            for bit in 0..<8 {
                var bytes = IDXTests.packed
                bytes[at] ^= 1 << bit
                guard let file = try? IDX(bytes) else { continue }
                harmless += 1
                #expect(
                    file.sizes == [2, 3, 4] && file.elements == IDXTests.elements, "byte \(at) bit \(bit)")
            }
        }
        #expect((49...56).contains(harmless))
    }

    /// Plain IDX has no checksum: a flipped header byte must fail, a flipped element is another element.
    @Test func refusesEveryFlippedHeaderByte() {
        for at in 0..<16 {
            for bit in 0..<8 {
                var bytes = IDXTests.plain
                bytes[at] ^= 1 << bit
                #expect(throws: DataFormatError.self, "byte \(at) bit \(bit)") { try IDX(bytes) }
            }
        }
    }

    @Test func claimsAllocateNothing() {
        let huge = [0, 0, 8, 3] + [UInt8](repeating: 0xff, count: 12)
        #expect(
            throws: DataFormatError(
                offset: 4, reason: "size 4294967295 asks for more elements than the file can hold")
        ) {
            try IDX(huge)
        }
        #expect(throws: DataFormatError.self) { try IDX(gzip(huge)) }
    }

    /// A gzip stream with far more content than the header says stops early.
    @Test func stopsAtABomb() {
        let bomb = gzip(idx([1, 2, 2], [UInt8](repeating: 0, count: 50_000_000)))
        let error = #expect(throws: DataFormatError.self) { try IDX(bomb) }
        #expect(error?.reason.contains("goes on after the expected 20 bytes") == true)
    }

    @Test func readsConcatenatedMembers() throws {
        let halves = gzip(Array(IDXTests.plain[..<10])) + gzip(Array(IDXTests.plain[10...]))
        // The header spans both members: the prefix is read across them too.
        #expect(try IDX(halves).elements == IDXTests.elements)
    }

    @Test(
        arguments: [
            (0, 1, "two zero bytes"), (2, 9, "unsigned bytes"), (3, 0, "dimensions"), (3, 5, "dimensions"),
        ] as [(Int, UInt8, String)])
    func namesWhatIsWrong(at: Int, value: UInt8, text: String) {
        var bytes = IDXTests.plain
        bytes[at] = value
        let error = #expect(throws: DataFormatError.self) { try IDX(bytes) }
        #expect(error?.offset == (at == 0 ? 0 : at))
        #expect(error?.reason.contains(text) == true)
    }
}
