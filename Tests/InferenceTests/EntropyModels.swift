import Digests
import Inference

/// Models of one dense layer whose weights have a given distribution, and files that are put together anew.
enum EntropyModels {
    /// Distributions of weights as training, pruning and coarse quantisation leave them, and some that do not occur.
    enum Weights: CaseIterable, Sendable {
        case bell, narrowBell, widthByOutput, oneSided, fourBits, ternary, sparse, constant, zero, uniform
    }

    static func weights(_ kind: Weights, count: Int, outputs: Int, seed: UInt64) -> [Int8] {
        var numbers = Numbers(seed)
        /// Nearly Gaussian: the sum of four even numbers.
        func bell(_ width: Int) -> Int8 {
            let sum = (0..<4).reduce(0) { total, _ in total + numbers.integer(-width...width) }
            return Int8(max(-127, min(127, sum)))
        }
        return (0..<count).map { i in
            switch kind {
            case .bell: bell(40)
            case .narrowBell: bell(4)
            case .widthByOutput: bell([3, 8, 20, 45][i % outputs % 4])
            case .oneSided: Int8(abs(Int(bell(12))))
            case .fourBits: Int8(max(-7, min(7, Int(bell(2)))))
            case .ternary: Int8(numbers.integer(-1...1))
            case .sparse: numbers.integer(0...7) == 0 ? bell(30) : 0
            case .constant: -127
            case .zero: 0
            case .uniform: Int8(numbers.integer(-127...127))
            }
        }
    }

    static func model(_ weights: [Int8], outputs: Int) throws -> QuantizedModel {
        try QuantizedModel(
            name: [], input: InputGeometry(
                height: 1, width: weights.count / outputs, channels: 1, zeroPoints: [0], scale: 1),
            layers: [
                .flatten,
                .dense(
                    QuantizedDense(
                        outputs: outputs, weights: weights, bias: [Int32](repeating: 3, count: outputs),
                        multipliers: [Float](repeating: 1e-4, count: outputs), output: .logits)),
            ],
            labels: (0..<outputs).map { Array("\($0)".utf8) }, logitScale: 1, provenance: [])
    }

    static func model(_ kind: Weights, count: Int, outputs: Int, seed: UInt64 = 1) throws -> QuantizedModel {
        try model(weights(kind, count: count, outputs: outputs, seed: seed), outputs: outputs)
    }

    static func weights(of model: QuantizedModel) -> [Int8] {
        guard case .dense(let dense) = model.layers.last else { return [] }
        return dense.weights
    }
}

/// The parts of a file with one layer that has weights, to be damaged and sealed again.
struct TakenApart {
    var minor: UInt8
    /// Network, labels and provenance.
    var sections: [[UInt8]]
    /// Bias and multipliers.
    var numbers: [UInt8]
    var count: UInt32
    var encoding: UInt8
    /// The length that the file claims; nil for the true one.
    var claimedLength: UInt32?
    var coded: [UInt8]

    init(_ file: [UInt8], outputs: Int) {
        minor = file[10]
        var parts: [[UInt8]] = []
        var offset = 256
        for section in 0..<4 {
            let length = Int(TakenApart.u32(file, 64 + section * 48 + 8))
            parts.append(Array(file[offset..<offset + length]))
            offset += length
        }
        sections = Array(parts[..<3])
        numbers = Array(parts[3][..<(8 * outputs)])
        count = TakenApart.u32(parts[3], 8 * outputs)
        encoding = parts[3][8 * outputs + 4]
        coded = Array(parts[3][(8 * outputs + 9)...])
    }

    /// Where the encoded weights begin in `file`.
    var offset: Int { 256 + sections.reduce(0) { $0 + $1.count } + numbers.count + 9 }

    /// The whole file with correct lengths and hashes.
    var file: [UInt8] {
        let tensors =
            numbers + TakenApart.bytes(count) + [encoding]
            + TakenApart.bytes(claimedLength ?? UInt32(coded.count)) + coded
        let all = sections + [tensors]
        var table: [UInt8] = []
        for (index, section) in all.enumerated() {
            table += TakenApart.bytes(UInt32(index + 1)) + [0, 0, 0, 0]
            table += TakenApart.bytes(UInt32(section.count)) + [0, 0, 0, 0] + SHA256.hash(section)
        }
        var header: [UInt8] = [0x89, 0x44, 0x45, 0x41, 0x49, 0x0d, 0x0a, 0x1a, 1, 0, minor, 0, 4, 0, 0, 0]
        header += TakenApart.bytes(UInt32(256 + all.reduce(0) { $0 + $1.count })) + [0, 0, 0, 0]
        header += [UInt8](repeating: 0, count: 8)
        return header + SHA256.hash(header + table) + table + all.flatMap { $0 }
    }

    private static func u32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    private static func bytes(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }
}
