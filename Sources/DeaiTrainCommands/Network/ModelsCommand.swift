import ArgumentParser
import Foundation
import InternetComputer
import Upload

/// `deai-train models`: what a classifier canister keeps.
struct ModelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "List the model versions a canister keeps; the active one is marked.")

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    private struct Row: Encodable {
        let event = "model"
        let active: Bool
        let model: ModelInfo
    }

    func run() async throws {
        let agent = try network.agent()
        let client = ClassifierClient(agent: agent, canister: try canister.resolved(on: agent.network))
        let (models, active) = try await explained {
            let models = try await client.models()
            return (models, models.isEmpty ? nil : try await client.modelInfo().version)
        }
        if models.isEmpty, !json { Console.note("the canister has no model") }
        for model in models {
            if json {
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

/// `deai-train rollback VERSION`: serve a version that the canister still has.
struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Serve a model version again that the canister still keeps.")

    @Argument(help: "Version, as `deai-train models` lists it.")
    var version: UInt64

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
        let model = try await explained { try await client.rollback(to: version) }
        if json {
            Console.json(Row(model: model))
        } else {
            Console.result("version \(model.version) is served again: \(model.name), \(model.sha256)")
        }
    }
}
