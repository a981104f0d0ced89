import CZlib
import Digests
import Foundation
import Kernels
import NeuralNetwork
import Testing
import Training

/// A fresh folder that is removed when the value goes away.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "deai-tests-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], _ name: String) throws {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
    }
}

/// gzip as zlib makes it, fixed header.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    deflateInit2_(
        &stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size))
    defer { deflateEnd(&stream) }
    var input = bytes
    var output = [UInt8](repeating: 0, count: bytes.count + 1024)
    let count = input.withUnsafeMutableBufferPointer { source in
        output.withUnsafeMutableBufferPointer { target in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            deflate(&stream, Z_FINISH)
            return target.count - Int(stream.avail_out)
        }
    }
    return Array(output[..<count])
}

/// IDX bytes of the given sizes.
func idx(_ sizes: [Int], _ elements: [UInt8]) -> [UInt8] {
    [0, 0, 8, UInt8(sizes.count)]
        + sizes.flatMap { size in (0..<4).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) } }
        + elements
}

/// A learnable data set: each class is a bright patch in its own place, with noise from `seed`.
func patches(train: Int, test: Int, classes: Int = 4, side: Int = 12, seed: UInt64 = 7) -> Dataset {
    var random = SplitMix64(seed: seed)
    func part(_ count: Int) -> LabelledImages {
        let geometry = ImageGeometry(height: side, width: side, channels: 1)
        var pixels: [UInt8] = []
        var targets: [UInt8] = []
        for index in 0..<count {
            let target = index % classes
            let (top, left) = ((target / 2 % 2) * side / 2, (target % 2) * side / 2)
            for y in 0..<side {
                for x in 0..<side {
                    let inside =
                        (top..<(top + side / 2)).contains(y) && (left..<(left + side / 2)).contains(x)
                    pixels.append(UInt8((inside ? 120 : 0) + random.index(below: 130)))
                }
            }
            targets.append(UInt8(target))
        }
        return LabelledImages(geometry: geometry, pixels: pixels, targets: targets)
    }
    return Dataset(
        name: "patches", location: "memory", format: .idx, labels: (0..<classes).map { "patch \($0)" },
        train: part(train), test: part(test))
}

/// The folder of the repository's PNG sample.
let sampleLocation = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("datasets/fashion-mnist-sample").path
