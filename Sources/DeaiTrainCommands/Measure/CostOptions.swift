import ArgumentParser
import Emulator
import Foundation
import Inference
import Training

/// What `inspect --cost` measures with, and how it is shown.
struct CostOptions: ParsableArguments {
    @Option(help: "The classifier's module, run in this process; costs.wasm is looked for beside it.")
    var module = "build/canister.wasm"

    @Option(help: "The PNG to classify. Default: a made-up picture of the model's size.")
    var image: String?

    @Option(help: "US dollars for a trillion cycles.")
    var usdPerTrillionCycles = CostMeasurement.usDollarsPerXDR

    func validate() throws {
        guard usdPerTrillionCycles > 0, usdPerTrillionCycles.isFinite else {
            throw ValidationError("--usd-per-trillion-cycles must be above 0, found \(usdPerTrillionCycles).")
        }
    }

    func measure(_ model: QuantizedModel, _ file: [UInt8]) throws -> ModelCosts {
        let sample = try CostMeasurement.sample(
            height: model.input.height, width: model.input.width, channels: model.input.channels)
        let folder = URL(fileURLWithPath: module).deletingLastPathComponent()
        var measurement = CostMeasurement(
            model: model, file: file, image: try image.map(read) ?? sample.png, pixels: sample.pixels,
            canister: try read(module), layerMeter: try read(folder.appendingPathComponent("costs.wasm").path))
        measurement.usDollarsPerXDR = usdPerTrillionCycles
        do {
            return try measurement.measured()
        } catch let error as WasmError {
            throw CommandFailure(.badData, "\(module): \(error)")
        } catch let error as Rejection {
            throw CommandFailure(.failure, "\(module): the installation failed: \(error.error.text) \(error.message)")
        } catch let error as EngineError {
            throw CommandFailure(.unavailable, "\(error)")
        }
    }

    private func read(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(
                .inputOutput, "cannot read \(path)"
                    + (path.hasSuffix(".wasm") ? "; `make canister` builds it, or name another with --module" : ""))
        }
        return [UInt8](data)
    }

    func lines(_ costs: ModelCosts) -> [String] {
        func number(_ value: UInt64) -> String { ProgressBar.grouped(Int(clamping: value)) }
        func dollars(_ value: Double) -> String { String(format: value < 0.01 ? "$%.7f" : "$%.4f", value) }
        let rows =
            [["LAYER", "INSTRUCTIONS", "MACS", "PER MAC"]]
            + costs.layers.map { layer in
                [
                    layer.layer, number(layer.instructions), number(layer.multiplyAccumulates),
                    layer.instructionsPerMultiplyAccumulate.map { String(format: "%.2f", $0) } ?? "",
                ]
            } + [
                [
                    "all layers", number(costs.layers.reduce(0) { $0 + $1.instructions }),
                    number(costs.layers.reduce(0) { $0 + $1.multiplyAccumulates }), "",
                ]
            ]
        let calls =
            [["CLASSIFICATION", "INSTRUCTIONS", "OF THE LIMIT", "CYCLES", "US DOLLARS"]]
            + costs.calls.map { call in
                [
                    call.name, number(call.instructions), String(format: "%.3f %%", 100 * call.shareOfLimit),
                    call.isQuery ? "free" : number(call.cycles), call.isQuery ? "" : dollars(call.usDollars),
                ]
            }
        var lines = table(rows, rightAligned: [1, 2, 3]) + [""] + table(calls, rightAligned: [1, 2, 3, 4])
        for call in costs.calls { if let failure = call.failure { lines.append("\(call.name) fails: \(failure)") } }
        if let advice = costs.advice { lines.append(advice) }
        lines += table(
            [
                [
                    "upload",
                    "\(costs.upload.messages) messages of \(ProgressBar.grouped(costs.upload.bytes)) bytes, "
                        + "\(number(costs.upload.instructions)) instructions, \(number(costs.upload.cycles)) cycles, "
                        + dollars(costs.upload.usDollars),
                ],
                [
                    "storage",
                    "\(number(costs.storageCyclesPerYear)) cycles a year, \(dollars(costs.storageUSDollarsPerYear))",
                ],
            ], rightAligned: [])
        return lines
    }
}
