import Kernels
import Testing

@Suite struct QS8DenseRowsTests {
    @Test("rows in any pieces make the sums of the whole layer", arguments: [1, 2, 7, 8, 9, 17, 40], [1, 3, 7, 8, 9, 16, 33])
    func sums(inputs: Int, outputs: Int) {
        var random = SplitMix64(seed: UInt64(inputs * 100 + outputs))
        let weights = (0..<inputs * outputs).map { _ in Int8(random.index(below: 255) - 127) }
        let values = (0..<inputs).map { _ in Int16(random.index(below: 511) - 255) }
        let bias = (0..<outputs).map { _ in Int32(random.index(below: 1_000)) }
        let expected = QS8Reference.denseSums(values, weights: weights, bias: bias)
        for first in Set([inputs, 1, inputs / 2, inputs - 1]) where first > 0 {
            var sums = bias
            for (start, end) in [(0, first), (first, inputs)] where end > start {
                weights.withUnsafeBufferPointer { weights in
                    values.withUnsafeBufferPointer { values in
                        QS8DenseRows.accumulate(
                            weights.baseAddress! + start * outputs, rows: end - start, outputs: outputs,
                            inputs: values.baseAddress! + start, &sums)
                    }
                }
            }
            #expect(sums == expected)
        }
    }

    @Test("magnitudes are exact for any rows, and -128 is noticed", arguments: [1, 2, 255, 256, 257, 600], [1, 7, 8, 9, 20])
    func magnitudes(rows: Int, outputs: Int) {
        var random = SplitMix64(seed: UInt64(rows * 100 + outputs))
        var weights = (0..<rows * outputs).map { _ in Int8(random.index(below: 255) - 127) }
        if rows == 600 { weights = [Int8](repeating: -127, count: rows * outputs) }
        func total(_ weights: [Int8], first: Int) -> (sums: [UInt64], isSymmetric: Bool) {
            var magnitudes = QS8Magnitudes(outputs: outputs)
            weights.withUnsafeBufferPointer {
                magnitudes.add($0.baseAddress!, rows: first)
                magnitudes.add($0.baseAddress! + first * outputs, rows: rows - first)
            }
            return magnitudes.total()
        }
        let expected = (0..<outputs).map { output in
            (0..<rows).reduce(UInt64(0)) { $0 + UInt64(weights[$1 * outputs + output].magnitude) }
        }
        for first in [0, 1, rows / 2] {
            let found = total(weights, first: first)
            #expect(found.sums == expected)
            #expect(found.isSymmetric)
        }
        for place in Set([0, rows * outputs / 2, rows * outputs - 1]) {
            var damaged = weights
            damaged[place] = -128
            #expect(!total(damaged, first: 0).isSymmetric)
        }
    }
}
