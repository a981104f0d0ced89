import Foundation
import NeuralNetwork
import Testing
import Training

/// The curves themselves are checked against PyTorch where they are defined; here epochs become steps.
@Suite struct ScheduleTests {
    @Test func cosineFollowsTheLibraryFunction() {
        let factors = Schedule.cosine.factors(total: 1000, stepsPerEpoch: 100)
        for step in 0...1000 {
            let expected = 0.5 * (1 + cos(Double.pi * Double(step) / 1000))
            #expect(abs(Double(factors.factor(at: step)) - expected) < 1e-7, "step \(step)")
        }
    }

    @Test(arguments: [(0, 1), (199, 1), (200, 0.5), (399, 0.5), (400, 0.25)] as [(Int, Float)])
    func stepsDown(step: Int, factor: Float) {
        let schedule = Schedule.step(epochs: 2, factor: 0.5)
        #expect(schedule.factors(total: 1000, stepsPerEpoch: 100).factor(at: step) == factor)
        #expect(Schedule.constant.factors(total: 1000, stepsPerEpoch: 100).factor(at: step) == 1)
    }

    /// Up to the full rate after three tenths, from a twenty-fifth, and down to nothing.
    @Test func oneCycleRisesAndFalls() {
        let schedule = Schedule.oneCycle.factors(total: 1000, stepsPerEpoch: 100)
        let factors = (0..<1000).map { schedule.factor(at: $0) }
        #expect(abs(factors[0] - 0.04) < 1e-6)
        #expect(abs(factors[299] - 1) < 1e-6)
        #expect(factors[999] < 1e-5)
        #expect(zip(factors[0...299], factors[1...299]).allSatisfy { $0 < $1 })
        #expect(zip(factors[300...], factors[301...]).allSatisfy { $0 > $1 })
    }

    /// The rise comes first, and the curve takes the steps that are left.
    @Test func warmsUp() {
        let schedule = Schedule.cosine.factors(total: 1000, stepsPerEpoch: 100, warmUp: 200)
        #expect(abs(schedule.factor(at: 0) - 0.1) < 1e-6)
        #expect(abs(schedule.factor(at: 100) - 0.55) < 1e-6)
        #expect(schedule.factor(at: 200) == 1)
        #expect(abs(schedule.factor(at: 600) - 0.5) < 1e-6)
        #expect(abs(schedule.factor(at: 1000)) < 1e-6)
    }

    @Test(arguments: ["constant", "cosine", "one-cycle", "step:2:0.5"])
    func textsGoBothWays(text: String) {
        #expect(Schedule(text)?.description == text)
    }

    @Test(arguments: [
        "", "cosin", "step", "step:0:0.5", "step:9223372036854775807:0.1", "step:2:0", "step:2:1.5", "step:2:0.5:1", "cosine:2",
    ])
    func refusesOtherTexts(text: String) {
        #expect(Schedule(text) == nil)
    }
}
