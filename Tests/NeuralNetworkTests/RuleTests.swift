import Foundation
import NeuralNetwork
import Testing

/// One entry of Tests/Vectors/rules.json, made by scripts/pytorch-vectors.py.
private struct RuleVector: Decodable {
    let name: String
    let initial: [Float]
    let gradients: [[Float]]
    let after: [[Double]]
}

/// One entry of Tests/Vectors/schedules.json.
private struct ScheduleVector: Decodable {
    let name: String
    let factors: [Double]
}

@Suite struct RuleTests {
    private func vector(_ name: String) throws -> RuleVector {
        let all: [RuleVector] = decodeVectors("rules")
        return try #require(all.first { $0.name == name })
    }

    private func compare(_ found: [[Float]], _ expected: [[Double]]) {
        #expect(found.count == 4 && expected.count == 4)
        for (a, b) in zip(found, expected) {
            for (x, y) in zip(a, b) { #expect(abs(Double(x) - y) <= 2e-6) }
        }
    }

    /// Directly, and as one of the rules that are chosen when the program runs.
    @Test(arguments: [
        ("adam", Adam(learningRate: 0.1)),
        ("adam decay", Adam(learningRate: 0.05, beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.1)),
        ("adamw", Adam(learningRate: 0.05, weightDecay: 0.1, decoupled: true)),
    ])
    func adamDescendsLikePyTorch(_ name: String, _ rule: Adam) throws {
        let vector = try vector(name)
        compare(descend(vector.initial, vector.gradients, rule).parameters, vector.after)
        var chosen = UpdateRule.adam(rule)
        chosen.learningRate = 1
        chosen.learningRate = rule.learningRate
        #expect(chosen == .adam(rule) && chosen.stateSlots == 2)
        compare(descend(vector.initial, vector.gradients, chosen).parameters, vector.after)
    }

    @Test func longGradientsAreShortenedLikePyTorch() throws {
        let vector = try vector("clip")
        let clipped = vector.gradients.map { gradient in
            var start = Array(gradient[..<4])
            var end = Array(gradient[4...])
            let norm = start.withUnsafeMutableBufferPointer { first in
                end.withUnsafeMutableBufferPointer { clip([first, $0], toNorm: 0.5) }
            }
            let expected = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(abs(Double(norm) - expected) < 1e-6 && expected > 0.5)
            return start + end
        }
        compare(descend(vector.initial, clipped, SGD(learningRate: 0.1)).parameters, vector.after)
        var short: [Float] = [0.1, 0.2]
        _ = short.withUnsafeMutableBufferPointer { clip([$0], toNorm: 0.5) }
        #expect(short == [0.1, 0.2])
    }

    @Test func averagesFollowLikePyTorch() throws {
        let vector = try vector("average")
        let rule = Averaging(SGD(learningRate: 0.1), decay: 0.9)
        for steps in 1...4 {
            let result = descend(vector.initial, Array(vector.gradients[..<steps]), rule)
            let plain = descend(vector.initial, Array(vector.gradients[..<steps]), rule.base)
            #expect(result.parameters == plain.parameters)
            for (a, b) in zip(rule.averages(in: [result.state])[0], vector.after[steps - 1]) {
                #expect(abs(Double(a) - b) <= 2e-6)
            }
        }
    }

    private static let schedules: [(String, LearningRateSchedule)] = [
        ("constant", .constant), ("step", .step(every: 4, factor: 0.3)),
        ("cosine", .cosine(steps: 20, final: 0.05)), ("one cycle", .oneCycle(steps: 20)),
        ("one cycle early", .oneCycle(steps: 20, rise: 0.2, divisor: 10, finalDivisor: 100)),
        ("warm-up", .warmUp(steps: 5, start: 0.1, then: .cosine(steps: 15))),
    ]

    @Test(arguments: schedules.indices) func schedulesAreThoseOfPyTorch(_ index: Int) throws {
        let (name, schedule) = RuleTests.schedules[index]
        let all: [ScheduleVector] = decodeVectors("schedules")
        let vector = try #require(all.first { $0.name == name })
        #expect(vector.factors.count == 20)
        for (step, factor) in vector.factors.enumerated() {
            #expect(abs(Double(schedule.factor(at: step)) - factor) <= 1e-6, "step \(step)")
        }
    }

    @Test func schedulesKeepTheirEnd() {
        #expect(LearningRateSchedule.cosine(steps: 20, final: 0.25).factor(at: 99) == 0.25)
        #expect(LearningRateSchedule.warmUp(steps: 0, then: .constant).factor(at: 0) == 1)
        #expect(LearningRateSchedule.oneCycle(steps: 1).factor(at: 5).isFinite)
    }
}
