import DeaiTrainCommands
import Emulator
import Foundation
import Inference
import Testing

/// `inspect --cost` with the modules that `make canister` builds.
@Suite struct ModelCostsTests {
    static let build = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("build")

    static func module(_ name: String) -> [UInt8]? {
        FileManager.default.contents(atPath: build.appendingPathComponent(name).path).map { [UInt8]($0) }
    }

    static let isBuilt = module("canister.wasm") != nil && module("costs.wasm") != nil

    /// Two convolutions and a dense layer on 16x16 pictures.
    static func model() throws -> QuantizedModel {
        func numbers(_ count: Int) -> [Int8] { (0..<count).map { Int8($0 * 37 % 201 - 100) } }
        func convolution(_ inputs: Int, _ outputs: Int) -> QuantizedLayer {
            .conv2d(
                QuantizedConv2d(
                    outputChannels: outputs, kernelHeight: 3, kernelWidth: 3, stride: 1, padding: 1,
                    weights: numbers(9 * inputs * outputs), bias: [Int32](repeating: 5, count: outputs),
                    multipliers: [Float](repeating: 0.001, count: outputs), output: .activations(low: 0, high: 127)))
        }
        return try QuantizedModel(
            name: Array("costly".utf8),
            input: InputGeometry(height: 16, width: 16, channels: 1, zeroPoints: [0], scale: 1),
            layers: [
                convolution(1, 8), convolution(8, 16), .flatten,
                .dense(
                    QuantizedDense(
                        outputs: 2, weights: numbers(2 * 4096), bias: [0, 0], multipliers: [0.001, 0.001],
                        output: .logits)),
            ], labels: [[65], [66]], logitScale: 1, provenance: [])
    }

    static func measurement(queryLimit: UInt64? = nil, updateLimit: UInt64? = nil) throws -> CostMeasurement {
        let model = try model()
        let sample = try CostMeasurement.sample(height: 16, width: 16, channels: 1)
        var measurement = CostMeasurement(
            model: model, file: ModelFile.write(model), image: sample.png, pixels: sample.pixels,
            canister: try #require(module("canister.wasm")), layerMeter: try #require(module("costs.wasm")))
        if let queryLimit { measurement.configuration.limits.queryInstructions = queryLimit }
        if let updateLimit { measurement.configuration.limits.updateInstructions = updateLimit }
        return measurement
    }

    @Test(.enabled(if: isBuilt, "build the canister first: make canister"))
    func everythingIsMeasuredAndPriced() throws {
        let costs = try Self.measurement().measured()
        let operations: [UInt64] = [18_432, 294_912, 0, 8_192]
        #expect(costs.layers.map(\.multiplyAccumulates) == operations)
        for layer in costs.layers where layer.multiplyAccumulates > 0 {
            let ratio: Double = layer.instructionsPerMultiplyAccumulate ?? 0
            #expect(ratio > 0.1)
        }
        let layers = costs.layers.reduce(0) { $0 + $1.instructions }
        #expect(costs.calls.map(\.name) == ["png as query", "pixels as query", "png as update", "pixels as update"])
        for call in costs.calls {
            #expect(call.failure == nil && call.instructions > layers)
            let limit: Double = call.isQuery ? 5e9 : 40e9
            #expect(call.shareOfLimit == Double(call.instructions) / limit)
            if call.isQuery {
                #expect(call.cycles == 0 && call.usDollars == 0)
            } else {
                // The base, an instruction a cycle, and the bytes of the signed call.
                let rest: UInt64 = call.cycles - call.instructions - 6_200_000
                #expect(rest % 2_000 == 0 && rest > 2_000 * 500 && rest < 2_000 * 1_200)
                let dollars = Double(call.cycles) * 1.366430e-12
                #expect(abs(call.usDollars - dollars) < 1e-15)
            }
        }
        // Decoding the PNG is what the other form saves.
        #expect(costs.calls[0].instructions > costs.calls[1].instructions)
        #expect(costs.upload.messages == 3)
        #expect(costs.upload.bytes > ModelFile.write(try Self.model()).count)
        #expect(costs.upload.cycles >= 3 * 6_200_000 + costs.upload.instructions)
        #expect(costs.advice == nil)
    }

    /// A subnet with lower limits: the query fails, the update shows how far it is off.
    @Test(.enabled(if: isBuilt, "build the canister first: make canister"))
    func whatDoesNotFitIsSaid() throws {
        let whole = try Self.measurement().measured()
        let limit = whole.calls[1].instructions / 2
        let costs = try Self.measurement(queryLimit: limit).measured()
        let query = costs.calls[1]
        #expect(query.failure != nil && query.limit == limit)
        #expect(query.instructions == costs.calls[3].instructions)
        #expect(query.shareOfLimit > 1.9 && query.shareOfLimit < 2.3)
        #expect(costs.layers == whole.layers)
        let advice = try #require(costs.advice)
        #expect(advice.contains("classify_update does, for"))
        let share: Double = 1 / costs.calls[0].shareOfLimit
        let side = Int(16 * share.squareRoot())
        #expect(side < 16 && advice.contains("a picture of \(side)x\(side)"))
    }
}
