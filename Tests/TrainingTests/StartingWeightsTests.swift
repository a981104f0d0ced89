import Foundation
import NeuralNetwork
import Testing
import Training

@Suite struct StartingWeightsTests {
    /// A trained run, and what its best weights are.
    private func trained() throws -> (folder: TemporaryFolder, run: RunFolder, weights: StartingWeights) {
        let result = try TrainingLoopTests.train(try TrainingLoopTests.configuration(epochs: 2))
        return (result.folder, result.run, try StartingWeights(run: result.run.path))
    }

    @Test func sameClassesKeepEveryWeight() throws {
        let (folder, run, weights) = try trained()
        let best = try #require(try run.load(.best, for: try RunFolder.open(run.path).configuration))
        let adapted = try weights.adapted(to: TrainingLoopTests.dataset.labels, seed: 9)
        #expect(adapted.variables == best.parameters)
        #expect(adapted.architecture == weights.architecture)
        #expect(adapted.knownClasses == 4)
        withExtendedLifetime(folder) {}
    }

    /// Known classes move to their new places, a new one begins as the seed says, everything before stays.
    @Test func otherClassesGetTheirPartOfTheLastLayer() throws {
        let (folder, _, weights) = try trained()
        let adapted = try weights.adapted(to: ["patch 2", "cat", "patch 0"], seed: 9)
        #expect(adapted.knownClasses == 2)
        #expect(adapted.architecture.classes == 3)
        #expect(Array(adapted.variables[..<2]) == Array(weights.variables[..<2]))
        let (old, new) = (weights.variables[2], adapted.variables[2])
        #expect(new.count == old.count / 4 * 3)
        for row in 0..<new.count / 3 {
            #expect(new[row * 3] == old[row * 4 + 2])
            #expect(new[row * 3 + 2] == old[row * 4])
        }
        #expect(adapted.variables[3][0] == weights.variables[3][2])
        let other = try weights.adapted(to: ["patch 2", "cat", "patch 0"], seed: 10)
        #expect(other.variables[2] != new)
        #expect(other.variables[2][0] == new[0])
        withExtendedLifetime(folder) {}
    }

    /// Begins where the other run ended, and stopped and resumed ends in the same bits.
    @Test func goesOnFromTheWeights() throws {
        let (folder, _, weights) = try trained()
        let hyper = try TrainingLoopTests.configuration(epochs: 2, learningRate: 0.001).hyperparameters
        let adapted = try weights.adapted(to: TrainingLoopTests.dataset.labels, seed: hyper.seed)
        let configuration = try RunConfiguration(
            toolkitVersion: "test", dataset: TrainingLoopTests.dataset, network: adapted.architecture,
            hyperparameters: hyper, preprocessing: weights.preprocessing)
        #expect(configuration.preprocessing == weights.preprocessing)
        var hashes: [String] = []
        for stops in [[], [3]] {
            let temporary = try TemporaryFolder()
            let made = try RunFolder.create(
                temporary.path + "/run", configuration: configuration, startingWith: adapted.variables,
                from: "elsewhere", knownClasses: 4, force: false)
            #expect(made.configuration.startingWeights?.source == "elsewhere")
            var first: Float?
            for stop in stops + [Int.max] {
                let (run, stored) = try RunFolder.open(made.folder.path)
                #expect(stored == made.configuration)
                var steps = 0
                let loop = try TrainingLoop(
                    stored, dataset: TrainingLoopTests.dataset, folder: run,
                    checkpoint: try run.load(.last, for: stored), workers: .serial)
                let outcome = try loop.run(shouldStop: { steps >= stop }) { event in
                    if case .step(let step) = event {
                        steps += 1
                        first = first ?? step.loss
                    }
                }
                if case .finished(let finish) = outcome { hashes.append(finish.weightHash) }
            }
            // A fresh network begins near ln 4.
            #expect(try #require(first) < 0.7)
        }
        #expect(hashes.count == 2)
        #expect(hashes.first == hashes.last)
        withExtendedLifetime(folder) {}
    }

    @Test func refusesToBeginWithoutTheWeights() throws {
        let (folder, _, weights) = try trained()
        let configuration = try TrainingLoopTests.configuration()
        let temporary = try TemporaryFolder()
        let made = try RunFolder.create(
            temporary.path + "/run", configuration: configuration, startingWith: weights.variables,
            from: "elsewhere", knownClasses: 4, force: false)
        #expect(throws: RunError.self) {
            try TrainingLoop(
                made.configuration, dataset: TrainingLoopTests.dataset, folder: made.folder, workers: .serial)
        }
        withExtendedLifetime(folder) {}
    }

    @Test func otherClassesNeedADenseLayer() throws {
        let (folder, _, weights) = try trained()
        var architecture = weights.architecture
        architecture.layers = [.conv2d(filters: 4, kernel: 3, stride: 1, padding: 1), .globalAveragePool]
        let network = try Network(architecture)
        let other = StartingWeights(
            source: "x", architecture: architecture, preprocessing: weights.preprocessing, labels: weights.labels,
            variables: network.initialParameters(seed: 1))
        #expect(try other.adapted(to: weights.labels, seed: 1).knownClasses == 4)
        #expect(throws: RunError.self) { try other.adapted(to: ["a", "b", "c", "d"], seed: 1) }
        let cut = StartingWeights(
            source: "x", architecture: architecture, preprocessing: weights.preprocessing, labels: weights.labels,
            variables: [])
        #expect(throws: RunError.self) { try cut.adapted(to: weights.labels, seed: 1) }
        withExtendedLifetime(folder) {}
    }
}
