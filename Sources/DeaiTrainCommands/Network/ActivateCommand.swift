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

    @OptionGroup var options: ModelOptions

    func run() async throws {
        if let version = UInt64(model) {
            return try await options.serve("served") { try await $0.rollback(to: version, onProgress: $1) }
        }
        let hash = try hash()
        try await options.serve("served") { try await $0.activate(sha256: hash, onProgress: $1) }
    }

    private func hash() throws -> [UInt8] {
        if model.utf8.count == 64, let hash = bytes(hexadecimal: model) { return hash }
        guard FileManager.default.fileExists(atPath: model) else {
            throw CommandFailure(
                .inputOutput,
                "“\(model)” is no version number, no SHA-256 of 64 hexadecimal digits, and there is no file of that name; "
                    + "`deai-train models` lists what the canister has")
        }
        return ModelFile.contentHash(try contents(ofFile: model))
    }
}

/// `deai-train rollback VERSION`: serve a version that the canister still has.
struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Serve a model version again that the canister still keeps.")

    @Argument(help: "Version, as `deai-train models` lists it.")
    var version: UInt64

    @OptionGroup var options: ModelOptions

    func run() async throws {
        try await options.serve("served again") { try await $0.rollback(to: version, onProgress: $1) }
    }
}
