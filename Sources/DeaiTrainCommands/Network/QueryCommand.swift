import ArgumentParser
import Foundation
import InternetComputer
import Upload

/// `deai-train query image.png …`: what a canister sees in images.
struct QueryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Classify PNG images on a canister.",
        discussion: """
            A query is answered by one node and signed by it; with --certified the whole subnet executes the \
            classification and certifies the answer.
            """)

    @Argument(help: "PNG files.")
    var images: [String]

    @Option(help: "Labels to show for each image.")
    var top: UInt32 = 3

    @Flag(help: "Classify by an update call: slower, certified by the subnet.")
    var certified = false

    @Flag(help: "Check the subnet's certificate of the model that answers, and say what was proven.")
    var verify = false

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func validate() throws {
        guard top > 0 else { throw ValidationError("--top is at least 1") }
    }

    private struct Row: Encodable {
        let event = "answer"
        let image: String
        let top: [Classification.Label]
        let instructions: UInt64
        let modelVersion: UInt64
        let modelHash: String
        let certified: Bool
    }

    /// What `--verify` proved.
    private struct Proof: Encodable {
        let event = "proof"
        let modelHash: String
        let modelVersion: UInt64
        /// Nanoseconds since 1970.
        let certifiedAt: UInt64
        let proven: [String]
    }

    func run() async throws {
        let files = try images.map { (path: $0, png: try Self.png($0)) }
        let agent = try network.agent()
        let client = ClassifierClient(agent: agent, canister: try canister.resolved(on: agent.network))
        for (path, png) in files {
            let answer: Classification
            do {
                answer = try await explained {
                    certified
                        ? try await client.classifyCertified(.png(png), top: top)
                        : try await client.classify(.png(png), top: top)
                }
            } catch let failure as CommandFailure where failure.exitStatus == .badData {
                throw CommandFailure(.badData, "\(path): \(failure.message)")
            }
            report(path, answer)
            if verify { try await check(answer, client) }
        }
    }

    /// Compares the answer's model with the one that the subnet certifies.
    private func check(_ answer: Classification, _ client: ClassifierClient) async throws {
        let (model, time) = try await explained { try await client.certifiedModel(now: Agent.systemClock()) }
        guard model.sha256 == hexadecimal(answer.modelSHA256), model.version == answer.modelVersion else {
            throw CommandFailure(
                .failure,
                "the answer names model \(answer.modelVersion) (\(hexadecimal(answer.modelSHA256))), the subnet certifies "
                    + "\(model.version) (\(model.sha256)): do not trust it, or ask again if a model was just activated")
        }
        var proven = [
            "the subnet certifies that model \(model.version) with SHA-256 \(model.sha256) and its provenance is active"
        ]
        proven.append(
            certified
                ? "the answer was computed by the whole subnet and is certified by it"
                : "the answer was signed by one node of the subnet; only --certified makes it the subnet's word")
        if json {
            Console.json(
                Proof(modelHash: model.sha256, modelVersion: model.version, certifiedAt: time, proven: proven))
        } else {
            for fact in proven { Console.result("  \(fact)") }
        }
    }

    private static func png(_ path: String) throws -> [UInt8] {
        let bytes = try contents(ofFile: path)
        guard bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) else {
            throw CommandFailure(.badData, "\(path) is no PNG image")
        }
        return bytes
    }

    private func report(_ path: String, _ answer: Classification) {
        if json {
            Console.json(
                Row(
                    image: path, top: answer.top, instructions: answer.instructions,
                    modelVersion: answer.modelVersion, modelHash: hexadecimal(answer.modelSHA256),
                    certified: certified))
            return
        }
        let labels = answer.top.map { "\($0.label) " + String(format: "%.1f %%", $0.probability * 100) }
        Console.result(
            "\(path): \(labels.joined(separator: ", ")) | \(ProgressBar.grouped(Int(answer.instructions))) instructions, "
                + "model \(answer.modelVersion) (\(hexadecimal(answer.modelSHA256.prefix(4)))), "
                + (certified ? "certified" : "uncertified"))
    }
}
