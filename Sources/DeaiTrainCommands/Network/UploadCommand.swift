import ArgumentParser
import Foundation
import InternetComputer
import Synchronization
import Upload

/// `deai-train upload model.deai`: into a classifier canister, in verified chunks.
struct UploadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upload", abstract: "Upload a .deai file to a classifier canister and have it served.",
        discussion: """
            Only chunks the canister misses are sent, so the command goes on where an interrupted one stopped. The \
            canister verifies the whole file before it serves it.
            """)

    @Argument(help: "The model file.")
    var file: String

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions

    @Option(help: "Bytes of a chunk, at most 1 MiB.")
    var chunkBytes = UploadPlan.standardChunkBytes

    @Option(help: "Chunks under way at the same time.")
    var parallel = 3

    @Option(help: ArgumentHelp("Where the receipt goes; FILE.receipt.json unless given.", valueName: "path"))
    var receipt: String?

    @Flag(help: "Drop a half-finished upload of this file first.")
    var restart = false

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func validate() throws {
        guard (1...UploadPlan.maximumChunkBytes).contains(chunkBytes) else {
            throw ValidationError("--chunk-bytes is between 1 and \(UploadPlan.maximumChunkBytes)")
        }
        guard (1...64).contains(parallel) else { throw ValidationError("--parallel is between 1 and 64") }
    }

    func run() async throws {
        ClientMemory.shareBuffers()
        let plan = try explained { try UploadPlan(path: file, chunkBytes: chunkBytes) }
        let (agent, id) = try canister.opened(network)
        let renderer = UploadRenderer(json: json)
        let uploader = Uploader(
            target: ClassifierClient(agent: agent, canister: id), parallelChunks: parallel,
            onEvent: { renderer.show($0) })
        let start = ContinuousClock.now
        let receipt = try await explained {
            let outcome = try await uploader.upload(plan, restarts: restart)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            return UploadReceipt(
                plan: plan, outcome: outcome, network: agent.network, canister: id,
                moduleHash: try await agent.moduleHash(of: id), seconds: seconds)
        }
        renderer.clear()
        let path = self.receipt ?? file + ".receipt.json"
        try explained { try receipt.write(path: path) }
        report(receipt, path: path)
    }

    private struct Finished: Encodable {
        let event = "finished"
        let receipt: UploadReceipt
        let receiptFile: String
    }

    private func report(_ receipt: UploadReceipt, path: String) {
        if json {
            Console.json(Finished(receipt: receipt, receiptFile: path))
            return
        }
        let sent = receipt.chunksSkipped == 0
            ? "" : " (\(receipt.chunksSkipped) of \(receipt.chunks) chunks were there already)"
        Console.result(
            "uploaded \(file): \(ProgressBar.grouped(Int(receipt.bytesSent))) of "
                + "\(ProgressBar.grouped(Int(receipt.bytes))) bytes sent\(sent) in "
                + String(format: "%.2f s", receipt.seconds))
        Console.result("canister    \(receipt.canister) on \(receipt.network)")
        Console.result("module hash \(receipt.moduleHash ?? "none")")
        Console.result("model hash  \(receipt.modelHash)")
        Console.result("version     \(receipt.version)")
        Console.result("receipt     \(path)")
    }
}

/// Shows the progress of an upload on standard error, or its events as JSON Lines.
private final class UploadRenderer: Sendable {
    private let json: Bool
    private let bar = ProgressBar("upload", unit: "MB")
    private let verification = ProgressBar("verify", unit: "MB")
    private let progress = Mutex((done: 0, total: 0))

    init(json: Bool) { self.json = json }

    private struct Began: Encodable {
        let event = "began"
        let chunks: Int
        let missing: Int
        let missingBytes: UInt64
    }

    private struct Verified: Encodable {
        let event = "verified"
        let bytes: UInt64
        let total: UInt64
    }

    private struct Sent: Encodable {
        let event = "chunk"
        let chunk: UInt32
        let bytes: Int
    }

    func show(_ event: Uploader.Event) {
        switch event {
        case .began(let chunks, let missing, let bytes):
            progress.withLock { $0 = (0, Int(bytes)) }
            if json { Console.json(Began(chunks: chunks, missing: missing, missingBytes: bytes)) }
            if missing < chunks {
                Console.note("resuming: the canister has \(chunks - missing) of \(chunks) chunks")
            }
        case .sent(let chunk, let bytes):
            let now = progress.withLock { state in
                state.done += bytes
                return state
            }
            if json {
                Console.json(Sent(chunk: chunk, bytes: bytes))
            } else if !Console.showsProgress {
                Console.note("chunk \(chunk) sent, \(ProgressBar.grouped(now.done)) of \(ProgressBar.grouped(now.total)) bytes")
            }
            bar.update(Double(now.done) / 1e6, of: Double(now.total) / 1e6)
        case .verifying:
            bar.clear()
        case .verified(let done, let total):
            if json {
                Console.json(Verified(bytes: done, total: total))
            } else if !Console.showsProgress {
                Console.note("verified \(ProgressBar.grouped(Int(done))) of \(ProgressBar.grouped(Int(total))) bytes")
            }
            verification.update(Double(done) / 1e6, of: Double(total) / 1e6)
        }
    }

    func clear() {
        bar.clear()
        verification.clear()
    }
}
