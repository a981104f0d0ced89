import Foundation
import Kernels
import Testing

@Suite struct ScalarTests {
    /// Distance in units in the last place of the correctly rounded result.
    private func ulps(_ found: Float, _ exact: Double) -> Double {
        let rounded = Float(exact)
        if found == rounded {
            return abs(Double(found) - exact) / Double(max(rounded.ulp, .leastNonzeroMagnitude))
        }
        return abs(Double(found) - exact) / Double(rounded.ulp)
    }

    private func sweep(_ low: Float, _ high: Float) -> [Float] {
        var random = SplitMix64(seed: 11)
        return [low, high, 0, 1, -1, 0.5, 1e-6, -1e-6].filter { $0 >= low && $0 <= high }
            + (0..<20_000).map { _ in low + (high - low) * random.uniform() }
    }

    @Test func exponential() {
        for x in sweep(-103, 88.7) { #expect(ulps(Scalar.exp(x), Foundation.exp(Double(x))) <= 0.51, "\(x)") }
        #expect(Scalar.exp(0) == 1 && Scalar.exp(-.infinity) == 0 && Scalar.exp(.infinity) == .infinity)
        #expect(Scalar.exp(-200) == 0 && Scalar.exp(100) == .infinity && Scalar.exp(.nan).isNaN)
    }

    @Test func logarithm() {
        for x in sweep(1e-30, 3) + sweep(0.9, 1.1) + sweep(1, 3e38) + [.leastNonzeroMagnitude] {
            #expect(ulps(Scalar.log(x), Foundation.log(Double(x))) <= 0.51, "\(x)")
        }
        #expect(Scalar.log(0) == -.infinity && Scalar.log(-1).isNaN && Scalar.log(1) == 0)
        #expect(Scalar.log(.infinity) == .infinity && Scalar.log(.nan).isNaN)
    }

    @Test func hyperbolicTangentAndSigmoid() {
        for x in sweep(-12, 12) + sweep(-0.002, 0.002) {
            #expect(ulps(Scalar.tanh(x), Foundation.tanh(Double(x))) <= 0.51, "\(x)")
            #expect(ulps(Scalar.sigmoid(x), 1 / (1 + Foundation.exp(-Double(x)))) <= 0.51, "\(x)")
        }
        #expect(Scalar.tanh(.infinity) == 1 && Scalar.tanh(-.infinity) == -1 && Scalar.tanh(.nan).isNaN)
        #expect(Scalar.sigmoid(-.infinity) == 0 && Scalar.sigmoid(.infinity) == 1)
    }
}

@Suite struct SplitMix64Tests {
    /// The first numbers of the authors' reference program for seed 1234567.
    @Test func knownNumbers() {
        var random = SplitMix64(seed: 1_234_567)
        #expect(
            (0..<5).map { _ in random.next() } == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    @Test func momentsOfUniformAndNormal() {
        var random = SplitMix64(seed: 3)
        let uniform = (0..<40_000).map { _ in Double(random.uniform()) }
        #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
        #expect(abs(uniform.reduce(0, +) / 40_000 - 0.5) < 0.01)
        let normal = (0..<40_000).map { _ in Double(random.normal()) }
        #expect(abs(normal.reduce(0, +) / 40_000) < 0.02)
        #expect(abs(normal.reduce(0) { $0 + $1 * $1 } / 40_000 - 1) < 0.03)
    }

    @Test func shuffleIsASeededPermutation() {
        var a = (0..<100).map { Int32($0) }
        var b = a
        var first = SplitMix64(seed: 1)
        var second = first
        first.shuffle(&a)
        second.shuffle(&b)
        #expect(a == b && a != Array(0..<100) && a.sorted() == Array(0..<100))
        #expect(first == second)
        var counts = [Int](repeating: 0, count: 5)
        for _ in 0..<50_000 { counts[first.index(below: 5)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 10_000) < 400 })
    }
}

@Suite struct WorkersTests {
    @Test(arguments: [0, 1, 7, 8, 9, 1000], [1, 3, 8]) func everyIndexOnce(_ count: Int, _ grain: Int) {
        for workers in [Workers.serial, .threads(2), .threads(3), .threads(0)] {
            var seen = [UInt8](repeating: 0, count: count + 1)
            seen.withUnsafeMutableBufferPointer { seen in
                nonisolated(unsafe) let seen = seen
                workers.forEachRange(count, grain: grain) { range in
                    for i in range { seen[i] += 1 }
                }
            }
            #expect(seen[..<count].allSatisfy { $0 == 1 } && seen[count] == 0)
        }
    }
}
