import Candid
import Canister
import Digests
import Inference
import Kernels

/// A small valid model whose weights follow from the seed: 6x5 grey, one dense layer, three classes.
func testModel(seed: UInt64) throws -> QuantizedModel {
    var random = SplitMix64(seed: seed)
    let weights = (0..<90).map { _ in Int8(random.index(below: 255) - 127) }
    return try QuantizedModel(
        name: Array("model \(seed)".utf8),
        input: InputGeometry(height: 6, width: 5, channels: 1, zeroPoints: [73], scale: 0.01),
        layers: [
            .flatten,
            .dense(
                QuantizedDense(
                    outputs: 3, weights: weights, bias: [5, -7, 100], multipliers: [0.25, 0.25, 0.25],
                    output: .logits)),
        ],
        labels: ["bag", "boot", "☃"].map { Array($0.utf8) }, logitScale: 0.002,
        provenance: Array("{\"seed\":\(seed)}".utf8))
}

/// A file as a client uploads it.
struct TestFile {
    let bytes: [UInt8]
    let sha256: [UInt8]
    let chunkBytes: Int

    init(_ bytes: [UInt8], chunkBytes: Int) {
        self.bytes = bytes
        self.chunkBytes = chunkBytes
        sha256 = SHA256.hash(bytes)
    }

    init(seed: UInt64, chunkBytes: Int = 100) throws {
        self.init(try ModelFile.write(testModel(seed: seed)), chunkBytes: chunkBytes)
    }

    var chunks: [[UInt8]] {
        stride(from: 0, to: bytes.count, by: chunkBytes).map {
            Array(bytes[$0..<min($0 + chunkBytes, bytes.count)])
        }
    }

    var manifest: CandidValue {
        .record([
            "size": .nat64(UInt64(bytes.count)), "sha256": .blob(sha256),
            "chunk_bytes": .nat32(UInt32(chunkBytes)),
            "chunk_sha256": .vector(chunks.map { .blob(SHA256.hash($0)) }),
        ])
    }

    func chunk(_ index: Int, data: [UInt8]? = nil) -> CandidValue {
        .record([
            "sha256": .blob(sha256), "index": .nat32(UInt32(index)), "data": .blob(data ?? chunks[index]),
        ])
    }
}

extension TestCanister {
    /// Uploads a whole file and activates it.
    @discardableResult
    func activate(_ file: TestFile) throws -> CandidValue {
        _ = try call(.beginUpload, file.manifest)
        for index in file.chunks.indices { _ = try call(.putChunk, file.chunk(index)) }
        return try call(.activate, .blob(file.sha256))
    }

    /// The integer logits of one picture.
    func logits(_ pixels: [UInt8]) throws -> [Int32]? {
        try call(.logits, .vector([.variant("pixels", .blob(pixels))])).ok?["logits"]?.asVector?.first?.asVector?
            .compactMap(\.asInt32)
    }
}

/// A PNG with 8-bit grey or RGB pixels, stored without compression.
func png(width: Int, height: Int, channels: Int, pixels: [UInt8]) -> [UInt8] {
    func bigEndian(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + content
        return bigEndian(UInt32(content.count)) + body + bigEndian(CRC32.checksum(body))
    }
    var rows: [UInt8] = []
    for y in 0..<height { rows += [0] + pixels[(y * width * channels)..<((y + 1) * width * channels)] }
    let length = UInt16(rows.count)
    let stored: [UInt8] = [1, UInt8(length & 255), UInt8(length >> 8), UInt8(~length & 255), UInt8(~length >> 8)]
    let header =
        bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, channels == 1 ? 0 : 2, 0, 0, 0]
    return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] + chunk("IHDR", header)
        + chunk("IDAT", [0x78, 0x01] + stored + rows + bigEndian(Adler32.checksum(rows))) + chunk("IEND", [])
}
