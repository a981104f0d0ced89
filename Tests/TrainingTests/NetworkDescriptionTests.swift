import Foundation
import NeuralNetwork
import Testing
import Training

@Suite struct NetworkDescriptionTests {
    private let input = ImageGeometry(height: 16, width: 16, channels: 3)

    private func architecture(_ json: String) throws -> Architecture {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("net-\(UUID().uuidString).json")
        try Data(json.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try NetworkDescription.architecture(named: file.path, input: input, classes: 5)
    }

    /// The file of docs/models.md.
    @Test func ownNetworksAreRead() throws {
        let found = try architecture(
            """
            {"name": "mine", "layers": [
                {"kind": "conv2d", "filters": 8, "kernel": 3, "padding": 1, "bias": false},
                {"kind": "batchNorm"}, {"kind": "relu"},
                {"kind": "residual",
                 "layers": [{"kind": "depthwiseConv2d", "kernel": 3, "stride": 2, "padding": 1}],
                 "projection": [{"kind": "averagePool2d", "window": 2}]},
                {"kind": "concatenate", "branches": [[], [{"kind": "hardSwish"}]]},
                {"kind": "globalAveragePool"}, {"kind": "dropout", "rate": 0.2}, {"kind": "dense"}
            ]}
            """)
        #expect(
            found.layers == [
                .conv2d(filters: 8, kernel: 3, stride: 1, padding: 1, bias: false), .batchNorm(), .relu,
                .residual(
                    [.depthwiseConv2d(kernel: 3, stride: 2, padding: 1)],
                    projection: [.averagePool2d(window: 2, stride: 2)]),
                .concatenate([[], [.hardSwish]]), .globalAveragePool, .dropout(rate: 0.2), .dense(units: 5),
            ])
        #expect(String(decoding: found.name, as: UTF8.self) == "mine" && found.classes == 5)
        #expect(try Network(found).layerShapes.last == [1, 5])
        let json = try JSONEncoder().encode(NetworkDescription(found))
        #expect(try JSONDecoder().decode(NetworkDescription.self, from: json).architecture() == found)
    }

    @Test(arguments: [
        ("{", ".json: "), ("{}", "“layers” is missing"),
        (#"{"layers": [{"kind": "conv", "filters": 1}]}"#, "layer 0 is of the unknown kind “conv”. Did you mean conv2d"),
        (#"{"layers": [{"kind": "relu"}, {"kind": "conv2d", "kernel": 3}]}"#, "layer 1 (conv2d) has no “filters”"),
        (#"{"layers": [{"kind": "dense", "kernel": 3}]}"#, "layer 0 (dense) cannot have “kernel”; it has units"),
        (#"{"layers": [{"kind": "dense", "unit": 3}]}"#, "no layer has a field “unit”; did you mean units"),
        (#"{"layers": [{"kind": "dense", "units": "ten"}]}"#, "layers[0].units"),
        (#"{"layers": [{"kind": "dense", "units": 4.5}]}"#, "at layers[0].units: 4.5 is not a whole number"),
        (#"{"layers": [{"kind": "dropout", "rate": 1e308}]}"#, "at layers[0].rate: 1e+308 is not a number that 32 bits hold"),
        (#"{"layers": [{"kind": "dense", "units": 9223372036854775808}]}"#, "at layers[0].units: 9.22"),
        (#"{"layer": [{"kind": "dense"}]}"#, "no network has a field “layer”; did you mean layers"),
        (#"{"layers": [{"kind": "dense"}], "input": 3}"#, "no network has a field “input”"),
        (#"{"layers": "# + String(repeating: "[", count: 5_000), "Too many nested arrays or dictionaries around character"),
        (#"{"layers": [{"kind": "dense", }}"#, "not valid JSON: Invalid value around character 31"),
        (
            #"{"layers": [{"kind": "residual", "layers": [{"kind": "relu"}, {"kind": "gellu"}]}]}"#,
            "layer 0, layer 1 is of the unknown kind “gellu”. Did you mean"
        ),
        (
            #"{"layers": [{"kind": "concatenate", "branches": [[], [{"kind": "dropout"}]]}]}"#,
            "layer 0, branch 1, layer 0 (dropout) has no “rate”"
        ),
    ])
    func faultsNameTheirPlace(_ json: String, _ expected: String) {
        let error = #expect(throws: RunError.self) { try architecture(json) }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    @Test func namesMayHaveAMultiplier() throws {
        func count(_ name: String) throws -> Int {
            try Network(NetworkDescription.architecture(named: name, input: input, classes: 5)).parameterCount
        }
        #expect(try count("mobilenet:0.5") < count("mobilenet"))
        #expect(try count("resnet8:1") == count("resnet8"))
        for name in ["lenet5:2", "resnet8:", "resnet8:0", "resnet8:nan", "nothing.json", "resnet:2"] {
            #expect(throws: RunError.self) { try count(name) }
        }
    }

    /// Checkpoints of earlier versions are recognised by these words.
    @Test func summariesOfPlainNetworksStay() {
        let architecture = Preset.convnet.architecture(height: 28, width: 28, channels: 1, classes: 10)
        #expect(
            NetworkDescription(architecture).summary
                == "convnet 28x28x1 > conv2d(filters 32, kernel 3, stride 1, padding 1) > relu > "
                + "maxPool2d(window 2, stride 2) > conv2d(filters 64, kernel 3, stride 1, padding 1) > relu > "
                + "maxPool2d(window 2, stride 2) > flatten > dense(units 128) > relu > dense(units 10)")
    }

    /// What `fit` says of networks that cannot be: the rule that they break.
    @Test(arguments: [
        (#"[{"kind": "conv2d", "filters": 4, "kernel": 3, "padding": 3}]"#, "less than what the kernel covers"),
        (#"[{"kind": "conv2d", "filters": 4, "kernel": 3, "groups": 2}]"#, "divide both the 3 channels"),
        (#"[{"kind": "residual", "layers": [{"kind": "maxPool2d", "window": 2}]}]"#, "projection"),
        (#"[{"kind": "dense"}]"#, "flatten or globalAveragePool"),
        (#"[{"kind": "flatten"}, {"kind": "maxPool2d", "window": 2}]"#, "takes images"),
        (#"[{"kind": "maxPool2d", "window": 17}]"#, "larger than the image"),
        (#"[{"kind": "dropout", "rate": 1}]"#, "rate must be at least 0 and less than 1"),
        (#"[{"kind": "batchNorm", "momentum": 0}]"#, "momentum must be above 0"),
        (#"[{"kind": "concatenate", "branches": []}]"#, "at least one list"),
        (#"[{"kind": "conv2d", "filters": 2000000000, "kernel": 3}]"#, "filters must be from 1 to 1048576"),
        (#"[{"kind": "conv2d", "filters": 1048576, "kernel": 27}]"#, "more than 2147483647 numbers"),
        (#"[{"kind": "flatten"}, {"kind": "dense", "units": 1000000}, {"kind": "dense", "units": 2000}, {"kind": "dense"}]"#, "GB"),
    ])
    func impossibleNetworksNameTheirRule(_ layers: String, _ expected: String) throws {
        let network = try architecture(#"{"layers": \#(layers)}"#)
        let images = LabelledImages(
            geometry: input, pixels: [UInt8](repeating: 7, count: 20 * input.byteCount),
            targets: (0..<20).map { UInt8($0 % 5) })
        let dataset = Dataset(
            name: "x", location: "x", format: .idx, labels: ["a", "b", "c", "d", "e"], train: images, test: nil)
        var hyper = Hyperparameters()
        hyper.batch = 65_536
        let error = #expect(throws: RunError.self) {
            try RunConfiguration(toolkitVersion: "1", dataset: dataset, network: network, hyperparameters: hyper)
        }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }
}
