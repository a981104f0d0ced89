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
            classification and certifies the answer. A model that needs more than a query has is asked that way, too, \
            in as many update calls as it takes.
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
        let client = try canister.client(network)
        for (path, png) in files {
            let answer: Classification
            let isCertified: Bool
            do {
                (answer, isCertified) = try await explained { try await classify(png, client) }
            } catch let failure as CommandFailure where failure.exitStatus == .badData {
                throw CommandFailure(.badData, "\(path): \(failure.message)")
            }
            report(path, answer, isCertified)
            if verify { try await check(answer, isCertified, client) }
        }
    }

    /// The answer, and whether it is the subnet's.
    private func classify(_ png: [UInt8], _ client: ClassifierClient) async throws -> (Classification, Bool) {
        if !certified {
            do { return (try await client.classify(.png(png), top: top), false) } catch ClassifierError.refused(
                .tooExpensive(let instructions, _, _))
            {
                Console.note(
                    "the model takes up to \(ProgressBar.grouped(Int(instructions))) instructions, more than a query has: "
                        + "asking by update calls")
            }
        }
        let bar = ProgressBar("classify", unit: "MB")
        defer { bar.clear() }
        let answer = try await client.classifyCertified(.png(png), top: top) { done, total in
            if !Console.showsProgress, !json {
                Console.note("\(ProgressBar.grouped(Int(done))) of \(ProgressBar.grouped(Int(total))) bytes of weights")
            }
            bar.update(Double(done) / 1e6, of: Double(total) / 1e6)
        }
        return (answer, true)
    }

    /// Compares the answer's model with the one that the subnet certifies.
    private func check(_ answer: Classification, _ isCertified: Bool, _ client: ClassifierClient) async throws {
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
            isCertified
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

    private func report(_ path: String, _ answer: Classification, _ isCertified: Bool) {
        if json {
            Console.json(
                Row(
                    image: path, top: answer.top, instructions: answer.instructions,
                    modelVersion: answer.modelVersion, modelHash: hexadecimal(answer.modelSHA256),
                    certified: isCertified))
            return
        }
        let labels = answer.top.map { "\($0.label) " + String(format: "%.1f %%", $0.probability * 100) }
        Console.result(
            "\(path): \(labels.joined(separator: ", ")) | \(ProgressBar.grouped(Int(answer.instructions))) instructions, "
                + "model \(answer.modelVersion) (\(hexadecimal(answer.modelSHA256.prefix(4)))), "
                + (isCertified ? "certified" : "uncertified"))
    }
}
