import Foundation
import Interchange
import Kernels
import Testing

/// Damaged files are refused or read as some network; they never crash, hang or allocate what they claim.
@Suite struct FuzzTests {
    static let names = ["lenet-torchscript", "keras-like", "shapes"]

    /// Reads and forgets; only an `ONNXError` may come out.
    static func reads(_ bytes: [UInt8]) -> Bool {
        var importer = ONNXImporter()
        importer.limits.elements = 1 << 20
        do throws(ONNXError) {
            _ = try importer.read(bytes, name: "fuzz")
            return true
        } catch {
            return false
        }
    }

    @Test(arguments: names)
    func truncations(name: String) throws {
        let bytes = [UInt8](try Data(contentsOf: NetworkVector.file(name + ".onnx")))
        #expect(Self.reads(bytes))
        var refused = 0
        for count in bytes.indices where !Self.reads(Array(bytes[..<count])) { refused += 1 }
        #expect(refused > bytes.count * 9 / 10)
    }

    @Test(arguments: names)
    func flippedBytes(name: String) throws {
        let bytes = [UInt8](try Data(contentsOf: NetworkVector.file(name + ".onnx")))
        var random = SplitMix64(seed: 3)
        var refused = 0
        for offset in bytes.indices {
            var damaged = bytes
            damaged[offset] ^= UInt8(truncatingIfNeeded: random.next() >> 56) | 1
            if !Self.reads(damaged) { refused += 1 }
        }
        #expect(refused > 0)
    }

    /// A graph, or a tensor in one, of 4 GiB in a file of 100 bytes.
    @Test(arguments: [[0x3A], [0x3A, 0x60, 0x2A], [0x3A, 0x60, 0x2A, 0x58, 0x4A]] as [[UInt8]])
    func fourGigabytesInAHundredBytes(fields: [UInt8]) {
        let bytes = fields + [0x80, 0x80, 0x80, 0x80, 0x10] + [UInt8](repeating: 0, count: 95 - fields.count)
        let error = #expect(throws: ONNXError.self) { try ONNXImporter().read(bytes, name: "claim") }
        #expect(bytes.count == 100 && error?.description.contains("damaged") == true)
    }

    /// Several changes at once: bytes, copied pieces, cut-out pieces.
    @Test(arguments: names, [UInt64(1), 2])
    func mutations(name: String, seed: UInt64) throws {
        let bytes = [UInt8](try Data(contentsOf: NetworkVector.file(name + ".onnx")))
        var random = SplitMix64(seed: seed)
        var tried = 0
        for _ in 0..<1_000 {
            var damaged = bytes
            for _ in 0...random.index(below: 4) {
                let at = random.index(below: damaged.count - 16)
                switch random.index(below: 4) {
                case 0: damaged[at] = UInt8(truncatingIfNeeded: random.next() >> 56)
                case 1: damaged[at] = [0, 0x7F, 0x80, 0xFF][random.index(below: 4)]
                case 2: damaged.removeSubrange(at..<(at + 1 + random.index(below: 8)))
                default: damaged.insert(contentsOf: damaged[at..<(at + 1 + random.index(below: 8))], at: at)
                }
            }
            _ = Self.reads(damaged)
            tried += 1
        }
        #expect(tried == 1_000)
    }
}
