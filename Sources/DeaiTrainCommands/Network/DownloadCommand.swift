import ArgumentParser
import Upload

/// `deai-train download FILE`: a model back from the canister, verified.
struct DownloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "download", abstract: "Download a model file from a canister.",
        discussion: """
            The file appears only once it is complete and has the hash the canister tells; `deai-train query --verify` \
            shows that the subnet certifies that hash.
            """)

    @Argument(help: "Where the model goes.")
    var file: String

    @Option(help: "Version, as `deai-train models` lists it; the active one unless given.")
    var version: UInt64?

    @OptionGroup var options: ModelOptions

    private struct Row: Encodable {
        let event = "finished"
        let file: String
        let model: ModelInfo
    }

    func run() async throws {
        let client = try options.client()
        let bar = ProgressBar("download", unit: "MB")
        defer { bar.clear() }
        let model = try await explained {
            let model: ModelInfo
            if let version { model = try await client.model(version: version) } else { model = try await client.modelInfo() }
            try await client.download(model, to: file) {
                bar.update(Double($0) / 1e6, of: Double(model.size) / 1e6)
            }
            return model
        }
        bar.clear()
        if options.json {
            Console.json(Row(file: file, model: model))
        } else {
            Console.result("version \(model.version) is in \(file): \(model.name), \(model.sha256)")
        }
    }
}
