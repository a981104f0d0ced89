import ArgumentParser
import Inference
import InternetComputer
import Upload

/// Where the commands about stored models find their canister, and how they answer.
struct ModelOptions: ParsableArguments {
    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func client() throws -> ClassifierClient {
        try canister.client(network)
    }

    private struct Row: Encodable {
        let event = "finished"
        let model: ModelInfo
    }

    /// Serves what `change` chooses and tells which model it is; the canister may take several messages.
    func serve(
        _ verb: String,
        _ change: (ClassifierClient, @escaping (UInt64, UInt64) -> Void) async throws -> ModelInfo
    ) async throws {
        let client = try await client()
        let bar = ProgressBar("verify", unit: "MB")
        defer { bar.clear() }
        let model = try await explained {
            try await change(client) { bar.update(Double($0) / 1e6, of: Double($1) / 1e6) }
        }
        bar.clear()
        if json {
            Console.json(Row(model: model))
        } else {
            Console.result("version \(model.version) is \(verb): \(model.name), \(model.sha256)")
        }
    }
}

extension ClassifierClient {
    /// The stored model of this version.
    func model(version: UInt64) async throws -> ModelInfo {
        guard let model = try await models().first(where: { $0.version == version }) else {
            throw ClassifierError.refused(.unknownVersion(version))
        }
        return model
    }
}
