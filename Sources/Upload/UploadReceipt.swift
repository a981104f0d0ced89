import Foundation
import InternetComputer

/// What was uploaded where, to keep beside the model.
public struct UploadReceipt: Codable, Equatable, Sendable {
    public var file: String
    public var network: String
    public var url: String
    public var canister: String
    /// SHA-256 of the canister's module, certified by the subnet, hexadecimal.
    public var moduleHash: String?
    /// SHA-256 of the model file, hexadecimal.
    public var modelHash: String
    public var version: UInt64
    public var bytes: UInt64
    public var bytesSent: UInt64
    public var chunks: Int
    public var chunksSent: Int
    public var chunksSkipped: Int
    public var seconds: Double
    /// While chunks were sent: without opening the upload, verification and activation.
    public var secondsSending: Double

    public init(
        plan: UploadPlan, outcome: Uploader.Outcome, network: Network, canister: Principal,
        moduleHash: [UInt8]?, seconds: Double
    ) {
        file = plan.path
        self.network = network.name
        url = network.url
        self.canister = canister.text
        self.moduleHash = moduleHash.map { hexadecimal($0) }
        modelHash = hexadecimal(plan.sha256)
        version = outcome.model.version
        bytes = plan.size
        bytesSent = outcome.bytesSent
        chunks = plan.chunkHashes.count
        chunksSent = outcome.chunksSent
        chunksSkipped = outcome.chunksSkipped
        self.seconds = seconds
        secondsSending = outcome.secondsSending
    }

    /// Writes the receipt as JSON, whole or not at all.
    public func write(path: String) throws(UploadError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            var data = try encoder.encode(self)
            data.append(UInt8(ascii: "\n"))
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch { throw .unreadable(path: path, reason: "the receipt cannot be written") }
    }
}
