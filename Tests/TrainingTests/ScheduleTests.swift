import Foundation
import Testing
import Training

@Suite struct ScheduleTests {
    @Test func cosineFollowsTheLibraryFunction() {
        for step in 0...1000 {
            let expected = 0.5 * (1 + cos(Double.pi * Double(step) / 1000))
            let factor = Schedule.cosine.factor(step: step, total: 1000, stepsPerEpoch: 100)
            #expect(abs(Double(factor) - expected) < 1e-7, "step \(step)")
        }
    }

    @Test(arguments: [(0, 1), (199, 1), (200, 0.5), (399, 0.5), (400, 0.25)] as [(Int, Float)])
    func stepsDown(step: Int, factor: Float) {
        let schedule = Schedule.step(epochs: 2, factor: 0.5)
        #expect(schedule.factor(step: step, total: 1000, stepsPerEpoch: 100) == factor)
        #expect(Schedule.constant.factor(step: step, total: 1000, stepsPerEpoch: 100) == 1)
    }

    /// Up to the full rate after three tenths, from a twenty-fifth, and down to nothing.
    @Test func oneCycleRisesAndFalls() {
        let factors = (0...1000).map { Schedule.oneCycle.factor(step: $0, total: 1000, stepsPerEpoch: 100) }
        #expect(abs(factors[0] - 0.04) < 1e-6)
        #expect(abs(factors[150] - 0.52) < 1e-6)
        #expect(abs(factors[300] - 1) < 1e-6)
        #expect(abs(factors[650] - 0.5) < 1e-6)
        #expect(abs(factors[1000]) < 1e-6)
        #expect(zip(factors[0...300], factors[1...300]).allSatisfy { $0 < $1 })
        #expect(zip(factors[301...], factors[302...]).allSatisfy { $0 > $1 })
    }

    @Test(arguments: ["constant", "cosine", "one-cycle", "step:2:0.5"])
    func textsGoBothWays(text: String) {
        #expect(Schedule(text)?.description == text)
    }

    @Test(arguments: [
        "", "cosin", "step", "step:0:0.5", "step:2:0", "step:2:1.5", "step:2:0.5:1", "cosine:2",
    ])
    func refusesOtherTexts(text: String) {
        #expect(Schedule(text) == nil)
    }
}
