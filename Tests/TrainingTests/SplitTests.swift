import Testing
import Training

@Suite struct SplitTests {
    static let targets = (0..<1000).map { UInt8($0 * $0 % 10) }

    @Test func isAPartitionBalancedOverClasses() {
        let split = Split(targets: SplitTests.targets, validationFraction: 0.1, seed: 3)
        #expect((split.train + split.validation).sorted() == (0..<1000).map { Int32($0) })
        #expect(split.train == split.train.sorted() && split.validation == split.validation.sorted())
        for target in Set(SplitTests.targets) {
            let all = SplitTests.targets.count { $0 == target }
            let held = split.validation.count { SplitTests.targets[Int($0)] == target }
            #expect(held == Int((Double(all) * 0.1).rounded()))
        }
    }

    @Test func dependsOnTheSeedAlone() {
        let first = Split(targets: SplitTests.targets, validationFraction: 0.1, seed: 3)
        #expect(first == Split(targets: SplitTests.targets, validationFraction: 0.1, seed: 3))
        #expect(first != Split(targets: SplitTests.targets, validationFraction: 0.1, seed: 4))
    }

    @Test(arguments: [0.0, 0.01, 0.5, 0.9])
    func keepsSomethingOnBothSides(fraction: Double) {
        let split = Split(targets: [0, 0, 0, 1, 1, 2], validationFraction: fraction, seed: 1)
        #expect(split.validation.isEmpty == (fraction == 0))
        #expect(Set(split.train.map { [0, 0, 0, 1, 1, 2][Int($0)] }).isSuperset(of: [0, 1]))
    }

    @Test func derivedSeedsDiffer() {
        let seeds = (0..<50).flatMap { seed in
            (0..<50).flatMap {
                [
                    Seeds.derive(UInt64(seed), .epochOrder, index: $0),
                    Seeds.derive(UInt64(seed), .parameters, index: $0),
                ]
            }
        }
        #expect(Set(seeds).count == seeds.count)
    }
}
