import Inference
import Kernels
import Testing

@Suite struct IntegerExecutorTests {
    @Test("random models give the logits of the plain loops", arguments: 0..<300)
    func equalsReference(seed: Int) throws {
        let model = try RandomModel.make(seed: UInt64(seed))
        let executor = IntegerExecutor(model)
        var numbers = Numbers(UInt64(seed) &+ 1_000_000)
        // Several pictures through one arena: nothing may be left over from the one before.
        for _ in 0..<3 {
            let pixels = numbers.bytes(model.input.byteCount)
            #expect(executor.logits(pixels: pixels) == IntegerExecutorReference.logits(model, pixels: pixels))
        }
    }

    @Test("models with branches give the logits of the plain loops", arguments: 0..<300)
    func branches(seed: Int) throws {
        let model = try RandomModel.branched(seed: UInt64(seed))
        let executor = IntegerExecutor(model)
        var numbers = Numbers(UInt64(seed) &+ 2_000_000)
        for _ in 0..<3 {
            let pixels = numbers.bytes(model.input.byteCount)
            #expect(executor.logits(pixels: pixels) == IntegerExecutorReference.logits(model, pixels: pixels))
        }
    }

    @Test("the cost of a picture is that of its layers")
    func layerCosts() throws {
        let model = try RandomModel.branched(seed: 3)
        let executor = IntegerExecutor(model)
        var ticks: UInt64 = 0
        let pixels = [UInt8](repeating: 9, count: model.input.byteCount)
        let costs = pixels.withUnsafeBufferPointer { pixels in
            executor.costs(pixels: pixels) {
                // Squares grow by more at every step.
                ticks += 1
                return ticks * ticks
            }
        }
        #expect(costs.count == model.layers.count)
        for (layer, cost) in zip(model.layers, costs) {
            if case .output = layer { #expect(cost == 0) }
        }
        // Reading the counter twice in a row costs 3, from its third reading to the fourth it moves by 7.
        #expect(costs.first == 4)
        #expect(costs.last ?? 0 > 4)
    }

    @Test("the random models are worth testing")
    func spread() throws {
        var different = 0
        for seed in 0..<100 {
            let model =
                try seed % 2 == 0
                ? RandomModel.make(seed: UInt64(seed)) : RandomModel.branched(seed: UInt64(seed))
            var numbers = Numbers(UInt64(seed))
            let a = IntegerExecutorReference.logits(model, pixels: numbers.bytes(model.input.byteCount))
            let b = IntegerExecutorReference.logits(model, pixels: numbers.bytes(model.input.byteCount))
            if a != b { different += 1 }
        }
        #expect(different > 80)
    }

    @Test("batches and threads change nothing", arguments: [1, 2, 3, 8])
    func batches(threads: Int) throws {
        let model = try RandomModel.make(seed: 12)
        var numbers = Numbers(3)
        let images = 7
        let pixels = numbers.bytes(images * model.input.byteCount)
        let executor = IntegerExecutor(model, workers: .threads(threads))
        let together = executor.logits(pixels: pixels)
        var single: [Int32] = []
        for image in 0..<images {
            let start = image * model.input.byteCount
            single += IntegerExecutorReference.logits(
                model, pixels: Array(pixels[start..<start + model.input.byteCount]))
        }
        #expect(together == single)
        #expect(executor.logits(pixels: []) == [])
    }

    @Test("costs of lenet5's first layers")
    func costs() throws {
        var numbers = Numbers(1)
        let layers = [
            RandomModel.convolution(&numbers, inputs: 1, outputs: 6, kernel: 5, stride: 1, padding: 2),
            .maxPool2d(window: 2, stride: 2),
            RandomModel.convolution(&numbers, inputs: 6, outputs: 16, kernel: 5, stride: 1, padding: 0),
            .maxPool2d(window: 2, stride: 2), .flatten,
            RandomModel.dense(&numbers, inputs: 400, outputs: 10, logits: true),
        ]
        let model = try QuantizedModel(
            name: [], input: InputGeometry(height: 28, width: 28, channels: 1, zeroPoints: [73], scale: 1),
            layers: layers, labels: Array(repeating: [65], count: 10), logitScale: 1, provenance: [])
        #expect(model.plan.map(\.multiplyAccumulates) == [117_600, 0, 240_000, 0, 0, 4_000])
        #expect(model.multiplyAccumulates == 361_600)
        #expect(model.parameterCount == 156 + 2_416 + 4_010)
        #expect(model.plan[3].output == ActivationShape(height: 5, width: 5, channels: 16))
    }

    @Test("answers are ranked, ties by index, probabilities sum to one")
    func predictions() {
        let logits: [Int32] = [5, 900, -900, 900, 2]
        let all = Prediction.ranked(logits: logits, logitScale: 0.01, top: 9)
        #expect(all.map(\.index) == [1, 3, 0, 4, 2])
        #expect(abs(all.reduce(0) { $0 + $1.probability } - 1) < 1e-6)
        #expect(all[0].probability == all[1].probability)
        #expect(Prediction.ranked(logits: logits, logitScale: 1, top: 2).count == 2)
        #expect(Prediction.best(logits: logits[...]) == 1)
        #expect(Prediction.best(logits: logits[2...]) == 1)
        #expect(Prediction.ranked(logits: [.max, .min], logitScale: 1, top: 1)[0].probability == 1)
    }
}
