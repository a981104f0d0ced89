import ArgumentParser
import Export
import Inference
import Interchange
import Training

/// Files for other tools that `export` writes beside the .deai file.
struct InterchangeOptions: ParsableArguments {
    @Option(help: "Also write the float network as ONNX to this file.")
    var onnx: String?

    @Option(help: "Also write the int8 network as ONNX (QDQ) to this file.")
    var onnxInt8: String?

    @Option(help: "Also write the float weights as safetensors to this file.")
    var safetensors: String?

    @Flag(help: "Write --onnx and --safetensors alone, without quantising: also of networks that have no integer form.")
    var floatOnly = false

    func validate() throws {
        guard floatOnly else { return }
        if onnx == nil, safetensors == nil {
            throw ValidationError("--float-only needs --onnx or --safetensors, or there is nothing to write.")
        }
        if onnxInt8 != nil { throw ValidationError("--float-only and --onnx-int8 exclude each other.") }
    }

    /// Writes the files that were asked for and names them on standard error.
    func write(_ model: FloatModel, _ quantized: QuantizedModel? = nil, provenance: Provenance? = nil) throws {
        var more = ["name": String(decoding: model.architecture.name, as: UTF8.self)]
        if let provenance { more["provenance"] = String(decoding: try provenance.encoded(), as: UTF8.self) }
        let description = ONNXDescription(toolkitVersion: Toolkit.version, labels: model.labels, more: more)
        if let onnx {
            let bytes = try ONNXWriter.write(
                model.architecture, parameters: model.parameters, preprocessing: model.preprocessing,
                description: description)
            try save(bytes, onnx)
        }
        if let onnxInt8, let quantized { try save(try ONNXWriter.write(quantized, description: description), onnxInt8) }
        if let safetensors {
            let tensors = try StateDictionary.tensors(model.architecture, parameters: model.parameters)
            let metadata = [
                "format": "pt", "network": String(decoding: model.architecture.name, as: UTF8.self),
                "zero_points": model.preprocessing.zeroPoints.map { "\($0)" }.joined(separator: ","),
                "pixel_scale": "\(model.preprocessing.scale)",
            ]
            try save(try Safetensors(tensors: tensors, metadata: metadata).encoded(), safetensors)
        }
    }

    private func save(_ bytes: [UInt8], _ path: String) throws {
        try AtomicFile.write(bytes, to: path)
        Console.note("wrote \(path), \(ProgressBar.grouped(bytes.count)) bytes")
    }
}
