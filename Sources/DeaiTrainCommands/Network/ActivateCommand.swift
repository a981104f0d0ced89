import ArgumentParser
import Foundation
import Inference
import InternetComputer
import Upload

/// `deai-train activate VERSION|HASH|FILE`: serve a file that the canister has, stored or completely uploaded.
struct ActivateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activate", abstract: "Serve a model that the canister has.",
        discussion:
            "The canister hashes the whole file before it switches; a large one takes several messages.")

    @Argument(
        help: "A version as `deai-train models` lists it, a SHA-256 in hexadecimal, or a local .deai file.")
    var model: String

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    private struct Row: Encodable {
        let event = "finished"
        let model: ModelInfo
    }

    func run() async throws {
        let agent = try network.agent()
        let client = ClassifierClient(agent: agent, canister: try canister.resolved(on: agent.network))
        let served = try await explained {
            if let version = UInt64(model) { return try await client.rollback(to: version) }
            return try await client.activate(sha256: try hash())
        }
        if json {
            Console.json(Row(model: served))
        } else {
            Console.result("version \(served.version) is served: \(served.name), \(served.sha256)")
        }
    }

    private func hash() throws -> [UInt8] {
        if model.utf8.count == 64, let hash = bytes(hexadecimal: model) { return hash }
        return ModelFile.contentHash(try contents(ofFile: model))
    }
}

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

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    private struct Row: Encodable {
        let event = "finished"
        let file: String
        let model: ModelInfo
    }

    func run() async throws {
        let agent = try network.agent()
        let client = ClassifierClient(agent: agent, canister: try canister.resolved(on: agent.network))
        let bar = ProgressBar("download", unit: "MB")
        defer { bar.clear() }
        let model = try await explained {
            let model = try await chosen(client)
            try await client.download(model, to: file) {
                bar.update(Double($0) / 1e6, of: Double(model.size) / 1e6)
            }
            return model
        }
        bar.clear()
        if json {
            Console.json(Row(file: file, model: model))
        } else {
            Console.result("version \(model.version) is in \(file): \(model.name), \(model.sha256)")
        }
    }

    private func chosen(_ client: ClassifierClient) async throws -> ModelInfo {
        guard let version else { return try await client.modelInfo() }
        guard let model = try await client.models().first(where: { $0.version == version }) else {
            throw CommandFailure(
                .failure,
                "the canister has no model version \(version): `deai-train models` lists what it has")
        }
        return model
    }
}
