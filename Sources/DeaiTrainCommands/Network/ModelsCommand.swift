import ArgumentParser
import Upload

/// `deai-train models`: what a classifier canister keeps.
struct ModelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "List the model versions a canister keeps; the active one is marked.")

    @OptionGroup var options: ModelOptions

    private struct Row: Encodable {
        let event = "model"
        let active: Bool
        let model: ModelInfo
    }

    func run() async throws {
        let client = try options.client()
        let (models, active) = try await explained {
            let models = try await client.models()
            return (models, models.isEmpty ? nil : try await client.modelInfo().version)
        }
        if models.isEmpty, !options.json { Console.note("the canister has no model") }
        for model in models {
            if options.json {
                Console.json(Row(active: model.version == active, model: model))
            } else {
                Console.result(
                    "\(model.version == active ? "*" : " ") version \(model.version)  \(model.name)  "
                        + "\(ProgressBar.grouped(Int(model.size))) bytes  \(model.height)x\(model.width)x\(model.channels)  "
                        + "\(model.labels.count) classes  \(model.sha256)")
            }
        }
    }
}

/// `deai-train delete VERSION`: drop a version and free its memory.
struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a model version that is not served from a canister.")

    @Argument(help: "Version, as `deai-train models` lists it.")
    var version: UInt64

    @OptionGroup var options: ModelOptions

    private struct Row: Encodable {
        let event = "finished"
        let model: ModelInfo
    }

    func run() async throws {
        let client = try options.client()
        let model = try await explained {
            let model = try await client.model(version: version)
            try await client.deleteVersion(version)
            return model
        }
        if options.json {
            Console.json(Row(model: model))
        } else {
            Console.result("version \(model.version) is deleted: \(model.name), \(model.sha256)")
        }
    }
}
