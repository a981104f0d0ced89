import Foundation
import Interchange
import NeuralNetwork
import Testing

@Suite struct SafetensorsTests {
    /// By hand: a table of one tensor, padded to 8 bytes, and two numbers.
    static let file: [UInt8] = {
        let table = Array(#"{"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#.utf8)
        return [UInt8(table.count), 0, 0, 0, 0, 0, 0, 0] + table + [0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC1]
    }()

    @Test func readsWhatTheSpecificationSays() throws {
        let read = try Safetensors(Self.file)
        #expect(read.tensors == ["w": Safetensors.Tensor(shape: [2, 1], values: [1, -10])])
        #expect(try Safetensors(read.encoded()) == read)
    }

    @Test(arguments: [
        ("F16", [0x00, 0x3C, 0x01, 0x80] as [UInt8], [1, -0x1p-24] as [Float]),
        ("BF16", [0x80, 0x3F, 0x20, 0xC1], [1, -10]),
        ("F64", [0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 0, 0, 0, 0, 0, 0x24, 0xC0], [1, -10]),
    ])
    func readsOtherNumbers(type: String, data: [UInt8], expected: [Float]) throws {
        let table = Array(#"{"w":{"dtype":"\#(type)","shape":[2],"data_offsets":[0,\#(data.count)]}}"#.utf8)
        let bytes = [UInt8(table.count), 0, 0, 0, 0, 0, 0, 0] + table + data
        #expect(try Safetensors(bytes).tensors["w"]?.values == expected)
    }

    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.file.count {
            #expect(throws: SafetensorsError.self) { try Safetensors(Array(Self.file[..<count])) }
        }
        #expect(throws: SafetensorsError.self) { try Safetensors(Self.file + [0]) }
    }

    /// Sizes that lie, overlaps and holes.
    @Test(arguments: [
        #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
        #"{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#,
        #"{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
        #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#,
        #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        #"{"w":{"dtype":"I8","shape":[8],"data_offsets":[0,8]}}"#,
        #"{"w":{"dtype":"F32","shape":[2]}}"#, "[]", "{",
    ])
    func tablesThatLieAreRefused(table: String) {
        let bytes = [UInt8(table.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(table.utf8) + [UInt8](repeating: 0, count: 8)
        #expect(throws: SafetensorsError.self) { try Safetensors(bytes) }
    }

    @Test(arguments: Preset.allCases)
    func parametersComeBack(preset: Preset) throws {
        let small = try SmallNetwork.preset(preset, channels: 3)
        let tensors = try StateDictionary.tensors(small.architecture, parameters: small.parameters)
        let file = try Safetensors(tensors: tensors, metadata: ["format": "pt"]).encoded()
        let read = try Safetensors(file)
        #expect(read.metadata == ["format": "pt"])
        #expect(try StateDictionary.parameters(small.architecture, from: read.tensors) == small.parameters)
        var missing = read.tensors
        missing["\(small.architecture.layers.count - 1).bias"] = nil
        #expect(throws: SafetensorsError.self) {
            try StateDictionary.parameters(small.architecture, from: missing)
        }
    }

    /// The weights of a PyTorch `nn.Sequential` are the same numbers in ONNX and in safetensors.
    @Test func namesAndOrdersAreThoseOfSequential() throws {
        let network = try ONNXImporter().read(NetworkVector.file("lenet.onnx").path)
        let file = try Safetensors([UInt8](Data(contentsOf: NetworkVector.file("lenet.safetensors"))))
        #expect(try StateDictionary.parameters(network.architecture, from: file.tensors) == network.parameters)
    }
}
