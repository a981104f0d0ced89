import Candid
import Foundation
import InternetComputer

/// How far a canister has scored a test set, and with what result: `Evaluation` in classifier.did.
public struct OnchainEvaluation: Codable, Equatable, Sendable {
    /// Hexadecimal, as the other hash.
    public var modelSHA256: String
    public var dataSHA256: String
    public var images: UInt64
    public var done: UInt64
    public var correct: UInt64
    /// classes x classes counts, rows by label, columns by answer.
    public var confusion: [UInt32]
    public var instructions: UInt64

    public var classes: Int { Int(Double(confusion.count).squareRoot()) }
    public var accuracy: Double { done == 0 ? 0 : Double(correct) / Double(done) }

    init?(_ value: CandidValue) {
        guard let model = value["model_sha256"]?.asBytes, let data = value["data_sha256"]?.asBytes,
            let images = value["images"]?.asUInt64, let done = value["done"]?.asUInt64,
            let correct = value["correct"]?.asUInt64, let confusion = value["confusion"]?.indices,
            let instructions = value["instructions"]?.asUInt64
        else { return nil }
        modelSHA256 = hexadecimal(model)
        dataSHA256 = hexadecimal(data)
        self.images = images
        self.done = done
        self.correct = correct
        self.confusion = confusion
        self.instructions = instructions
    }
}

extension ClassifierClient {
    /// One slice of an evaluation; done when `done` is `images`.
    public func evaluate(sha256: [UInt8]) async throws(ClassifierError) -> OnchainEvaluation {
        try await continued { () async throws(ClassifierError) in
            let answer = try ok(await update("evaluate", [.blob(sha256)], [.blob]), "evaluate")
            return try read("evaluate", answer, OnchainEvaluation.init)
        }
    }
}

/// Writes the labelled test set that a canister scores; docs/canister.md has the layout.
public enum TestSetFile {
    /// - Parameters:
    ///   - pixels: height · width · channels bytes for each label, one picture after the other.
    public static func write(
        path: String, labels: [UInt8], pixels: [UInt8], height: Int, width: Int, channels: Int, classes: Int
    ) throws(UploadError) {
        precondition(pixels.count == labels.count * height * width * channels, "whole pictures")
        var bytes = Array("DEAI-SET".utf8)
        func append(_ value: Int, bytes count: Int) {
            for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
        }
        append(1, bytes: 4)
        append(labels.count, bytes: 4)
        for size in [height, width, channels, classes] { append(size, bytes: 2) }
        bytes += labels
        bytes += pixels
        do { try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
            throw .unwritable(path: path)
        }
    }
}

extension Uploader {
    /// Uploads a test set and has it scored; `onSlice` hears of every answer.
    public func evaluate(
        _ plan: UploadPlan, with client: ClassifierClient, onSlice: (OnchainEvaluation) -> Void
    ) async throws(UploadError) -> OnchainEvaluation {
        try await deliver(plan) { () async throws(ClassifierError) in
            var last: UInt64?
            while true {
                let state = try await client.evaluate(sha256: plan.sha256)
                onSlice(state)
                if state.done == state.images { return state }
                // Another model became active, and then another: somebody else is at work.
                if let last, state.done <= last { throw .refused(.badRequest("the active model changes")) }
                last = state.done
            }
        }.result
    }
}
