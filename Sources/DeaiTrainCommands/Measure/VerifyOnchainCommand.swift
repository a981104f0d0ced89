import ArgumentParser
import Export
import Foundation
import Inference
import InternetComputer
import Training
import Upload

/// `deai-train verify-onchain`: whether a canister answers with the very integers of the local file.
struct VerifyOnchainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-onchain",
        abstract: "Compare a canister's integer logits with the local file, image by image.",
        discussion: """
            Ends with exit code 2 when an image differs. The pixels are sent raw, in batches that fit a message \
            and a query's instructions.
            """)

    @Argument(help: "The .deai file that the canister serves.")
    var file: String

    @Option(help: "Name or folder of the data set. Default: the one that the model was trained on.")
    var dataset: String?

    @Option(help: "Compare only so many of the test images.")
    var limit: Int?

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions
    @OptionGroup var threads: ThreadOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is at least 1") }
    }

    /// What was compared; the last line with `--json`.
    struct Report: Encodable {
        let event = "finished"
        let images: Int
        let equal: Int
        let firstDifference: Int?
        let modelHash: String
        let instructionsPerImage: UInt64
        let queries: Int
        let seconds: Double
    }

    func run() async throws {
        let (model, bytes) = try CommandFailure.wrapping { try localModel() }
        let images = try CommandFailure.wrapping { try testImages(of: model) }
        let client = try canister.client(network)
        let report = try await explained {
            try await compare(model, hash: ModelFile.contentHash(bytes), images, client)
        }
        if json {
            Console.json(report)
        } else {
            Console.result(
                "\(ProgressBar.grouped(report.equal)) of \(ProgressBar.grouped(report.images)) images have equal logits "
                    + "on the canister and here (\(ProgressBar.grouped(Int(report.instructionsPerImage))) instructions "
                    + "an image, \(report.queries) queries, \(String(format: "%.1f", report.seconds)) s)")
        }
        if let index = report.firstDifference {
            throw CommandFailure(
                .belowTarget,
                "\(report.images - report.equal) images differ, the first is test image \(index): "
                    + "the canister does not compute what \(file) says")
        }
    }

    private func localModel() throws -> (QuantizedModel, [UInt8]) {
        guard case .file(let model, let bytes) = try ModelSource(file) else {
            throw CommandFailure(.usage, "\(file) is a run folder: name the .deai file that was uploaded")
        }
        return (model, bytes)
    }

    private func testImages(of model: QuantizedModel) throws -> LabelledImages {
        guard let name = dataset ?? Provenance(model)?.dataset.name, !name.isEmpty else {
            throw CommandFailure(.usage, "\(file) does not say what it was trained on; name a data set with --dataset")
        }
        let loaded = try loadDataset(for: model, named: name).matching(labels: model.labelTexts)
        guard let test = loaded.test else {
            throw CommandFailure(.badData, "\(loaded.location) has no test images")
        }
        guard let limit, limit < test.count else { return test }
        return test.subset((0..<limit).map { Int32($0) })
    }

    /// Pixels of a query; a message carries 2 MiB.
    private static let batchBytes = 1_900_000
    /// Instructions of a query that are made use of, of the 5 billion there are.
    private static let batchInstructions: UInt64 = 4_000_000_000

    private func compare(
        _ model: QuantizedModel, hash: [UInt8], _ images: LabelledImages, _ client: ClassifierClient
    ) async throws -> Report {
        let expected = IntegerClassifier(model, workers: threads.workers).logits(images)
        let classes = model.labels.count
        let size = images.geometry.byteCount
        let bar = ProgressBar("verify", unit: "images")
        defer { bar.clear() }
        let start = ContinuousClock.now
        var next = 0
        var batch = 8
        var equal = 0
        var first: Int?
        var instructions: UInt64 = 0
        var queries = 0
        while next < images.count {
            let count = min(batch, images.count - next)
            let answer = try await client.anyLogits(
                pixels: Array(images.pixels[(next * size)..<((next + count) * size)]), count: UInt32(count),
                classes: classes)
            guard answer.modelSHA256 == hash else {
                throw CommandFailure(
                    .failure,
                    "the canister serves model \(hexadecimal(answer.modelSHA256)), \(file) is \(hexadecimal(hash)): "
                        + "upload it first with `deai-train upload`")
            }
            guard answer.logits.count == count * classes else {
                throw CommandFailure(
                    .failure, "the canister gave \(answer.logits.count) logits for \(count) images of \(classes) classes")
            }
            for image in 0..<count {
                let here = expected[((next + image) * classes)..<((next + image + 1) * classes)]
                let there = answer.logits[(image * classes)..<((image + 1) * classes)]
                if here.elementsEqual(there) {
                    equal += 1
                } else if first == nil {
                    first = next + image
                }
            }
            next += count
            queries += 1
            instructions += answer.instructions
            let perImage = max(instructions / UInt64(next), 1)
            batch = max(1, min(Self.batchBytes / size, Int(Self.batchInstructions / perImage)))
            bar.update(Double(next), of: Double(images.count))
        }
        return Report(
            images: images.count, equal: equal, firstDifference: first, modelHash: hexadecimal(hash),
            instructionsPerImage: instructions / UInt64(max(images.count, 1)), queries: queries,
            seconds: (ContinuousClock.now - start) / .seconds(1))
    }
}
