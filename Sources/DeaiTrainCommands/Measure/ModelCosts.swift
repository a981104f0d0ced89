import Candid
import Emulator
import Export
import Foundation
import Inference
import InternetComputer
import Training
import Upload

/// What a model costs on the Internet Computer, measured by running the classifier canister under the replica's metering.
package struct ModelCosts: Encodable, Equatable {
    /// One layer of the model; pooling that happens in the layer before it costs nothing here.
    package struct LayerCost: Encodable, Equatable {
        package let layer: String
        package let instructions: UInt64
        package let multiplyAccumulates: UInt64
        /// Nil for layers that do not multiply.
        package let instructionsPerMultiplyAccumulate: Double?
    }

    /// One kind of call; a query costs no cycles.
    package struct Call: Encodable, Equatable {
        package let name: String
        package let isQuery: Bool
        package let instructions: UInt64
        package let limit: UInt64
        /// Instructions as a share of the limit; above 1 the call fails.
        package let shareOfLimit: Double
        package let cycles: UInt64
        package let usDollars: Double
        /// Why it failed.
        package let failure: String?
    }

    /// All messages of an upload together.
    package struct UploadCost: Encodable, Equatable {
        package let messages: Int
        package let instructions: UInt64
        /// Signed envelopes.
        package let bytes: Int
        package let cycles: UInt64
        package let usDollars: Double
    }

    package let layers: [LayerCost]
    package let calls: [Call]
    package let upload: UploadCost
    /// Keeping the file for a year.
    package let storageCyclesPerYear: UInt64
    package let storageUSDollarsPerYear: Double
    /// How the model compares with the largest that a query takes; nil when it fits.
    package let advice: String?
}

/// Runs the messages and adds up what they cost.
package struct CostMeasurement {
    /// 1 XDR in US dollars; a trillion cycles cost 1 XDR. Of 2026-05-22.
    package static let usDollarsPerXDR = 1.366430

    let model: QuantizedModel
    let file: [UInt8]
    /// The PNG that is classified.
    let image: [UInt8]
    /// Pixels of a picture of the model's own size.
    let pixels: [UInt8]
    /// Modules: the classifier, and the one that measures layers.
    let canister: [UInt8]
    let layerMeter: [UInt8]
    var usDollarsPerXDR = Self.usDollarsPerXDR
    package var configuration = SubnetConfiguration(subnetID: .anonymous)

    package init(
        model: QuantizedModel, file: [UInt8], image: [UInt8], pixels: [UInt8], canister: [UInt8], layerMeter: [UInt8]
    ) {
        self.model = model
        self.file = file
        self.image = image
        self.pixels = pixels
        self.canister = canister
        self.layerMeter = layerMeter
    }

    /// A picture with gradients and edges, as PNG and as pixels.
    package static func sample(height: Int, width: Int, channels: Int) throws -> (png: [UInt8], pixels: [UInt8]) {
        let geometry = ImageGeometry(height: height, width: width, channels: channels)
        var pixels: [UInt8] = []
        for y in 0..<geometry.height {
            for x in 0..<geometry.width {
                let inside = (x - geometry.width / 2).magnitude + (y - geometry.height / 2).magnitude
                    < UInt(geometry.width / 3)
                for channel in 0..<geometry.channels {
                    pixels.append(UInt8(truncatingIfNeeded: inside ? 40 + 3 * x + 5 * y + 31 * channel : (x * y) & 15))
                }
            }
        }
        return (try PNGFile.encode(pixels[...], geometry: geometry), pixels)
    }

    package func measured() throws -> ModelCosts {
        let classifier = try MeteredCanister(canister, caller: Self.uploader, configuration: configuration)
        let upload = try self.upload(to: classifier)
        var calls: [ModelCosts.Call] = []
        let limits = configuration.limits
        for (form, bytes) in [("png", image), ("pixels", pixels)] {
            calls.append(
                try call(
                    classifier, "classify", "\(form) as query", Self.question(form, bytes), .query, limits.queryInstructions))
        }
        for (form, bytes) in [("png", image), ("pixels", pixels)] {
            calls.append(
                try call(
                    classifier, "classify_update", "\(form) as update", Self.question(form, bytes), .update,
                    limits.updateInstructions))
        }
        // A query that fails stops at its limit; the update shows how far the network would have gone.
        calls = calls.map { call in
            guard call.isQuery, call.failure != nil,
                let update = calls.first(where: { !$0.isQuery && $0.name.hasPrefix(call.name.prefix(3)) })
            else { return call }
            return ModelCosts.Call(
                name: call.name, isQuery: true, instructions: update.instructions, limit: call.limit,
                shareOfLimit: Double(update.instructions) / Double(call.limit), cycles: 0, usDollars: 0,
                failure: call.failure)
        }
        let storage = Self.yearSeconds * configuration.prices.storageGiBSecond * UInt64(file.count) / (1 << 30)
        return ModelCosts(
            layers: try layers(), calls: calls, upload: upload, storageCyclesPerYear: storage,
            storageUSDollarsPerYear: usDollars(storage), advice: advice(calls))
    }

    /// Whoever uploads: a principal of the usual length.
    private static let uploader = Principal.selfAuthenticating(derPublicKey: [UInt8](repeating: 0, count: 44))

    private static let yearSeconds: UInt64 = 365 * 24 * 60 * 60

    private func usDollars(_ cycles: UInt64) -> Double { Double(cycles) / 1e12 * usDollarsPerXDR }

    // MARK: Layers

    /// By the query that measures layers, or as an update where a query is too short for it.
    private func layers() throws -> [ModelCosts.LayerCost] {
        let meter = try MeteredCanister(layerMeter, configuration: configuration)
        let query = try meter.run("canister_query costs", argument: file, mode: .query)
        guard let reply = try query.reply ?? meter.run("canister_query costs", argument: file, mode: .update).reply else {
            return []
        }
        func number(_ index: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(reply[8 * index + $1]) << UInt64(8 * $1) }
        }
        guard reply.count >= 24 + 16 * model.layers.count, number(0) == model.layers.count else { return [] }
        return model.layers.indices.map { index in
            let (instructions, operations) = (number(3 + 2 * index), number(4 + 2 * index))
            return ModelCosts.LayerCost(
                layer: ModelSummary.text(model.layers[index]), instructions: instructions,
                multiplyAccumulates: operations,
                instructionsPerMultiplyAccumulate: operations == 0
                    ? nil : (1000 * Double(instructions) / Double(operations)).rounded() / 1000)
        }
    }

    // MARK: Calls

    private func call(
        _ classifier: MeteredCanister, _ method: String, _ name: String, _ argument: [UInt8], _ mode: Meter.Mode,
        _ limit: UInt64
    ) throws -> ModelCosts.Call {
        let report = try classifier.run("canister_\(mode.rawValue) \(method)", argument: argument, mode: mode)
        var failure = report.rejection?.message
        if let reply = report.reply, let value = try? Candid.decode(reply).first, value.payload(of: "ok") == nil {
            failure = "the canister answered with an error"
        }
        let cycles = mode == .update
            ? UInt64(clamping: report.cycles) + ingress(Self.envelopeBytes(method, argument)) : 0
        return ModelCosts.Call(
            name: name, isQuery: mode == .query, instructions: report.instructions, limit: limit,
            shareOfLimit: Double(report.instructions) / Double(limit), cycles: cycles, usDollars: usDollars(cycles),
            failure: failure)
    }

    private static func question(_ form: String, _ bytes: [UInt8]) throws -> [UInt8] {
        let image = CandidType.variant(["png": .blob, "pixels": .blob])
        let value: CandidValue = form == "png" ? .variant("png", .blob(bytes)) : .variant("pixels", .blob(bytes))
        return try Candid.encode(
            [.record(["image": value, "top": .optional(nil)])],
            as: [.record(["image": image, "top": .optional(.nat32)])])
    }

    private func ingress(_ bytes: Int) -> UInt64 {
        let prices = configuration.prices
        return UInt64(clamping: prices.scaled(UInt128(prices.ingress) + UInt128(prices.ingressByte) * UInt128(bytes)))
    }

    /// Bytes of a call as it is sent: signed with Ed25519, with a nonce of 16 bytes.
    private static func envelopeBytes(_ method: String, _ argument: [UInt8]) -> Int {
        let content = RequestContent(
            .call(canister: .canister(1), method: method, argument: argument),
            sender: uploader, ingressExpiry: .max / 2,
            nonce: [UInt8](repeating: 0, count: 16))
        return Envelope(
            content: content, senderPublicKey: [UInt8](repeating: 0, count: 44),
            senderSignature: [UInt8](repeating: 0, count: 64)
        ).encoded().count
    }

    // MARK: Upload

    private func upload(to classifier: MeteredCanister) throws -> ModelCosts.UploadCost {
        var total = (messages: 0, instructions: UInt64(0), bytes: 0, cycles: UInt64(0))
        func send(_ method: String, _ value: CandidValue, _ type: CandidType) throws -> CandidValue {
            let argument = try Candid.encode([value], as: [type])
            let report = try classifier.run("canister_update \(method)", argument: argument, mode: .update)
            let bytes = Self.envelopeBytes(method, argument)
            total.messages += 1
            total.instructions += report.instructions
            total.bytes += bytes
            total.cycles += UInt64(clamping: report.cycles) + ingress(bytes)
            guard let reply = report.reply, let answer = try Candid.decode(reply).first else {
                throw CommandFailure(
                    .failure, "the canister refuses \(method): \(report.rejection?.message ?? "no answer")")
            }
            return answer
        }
        let chunkBytes = UploadPlan.standardChunkBytes
        let chunks = stride(from: 0, to: file.count, by: chunkBytes).map {
            Array(file[$0..<min($0 + chunkBytes, file.count)])
        }
        let hash = ModelFile.contentHash(file)
        let hashes = chunks.map { CandidValue.blob(ModelFile.contentHash($0)) }
        var answer = try send(
            "begin_upload",
            .record([
                "size": .nat64(UInt64(file.count)), "sha256": .blob(hash), "chunk_bytes": .nat32(UInt32(chunkBytes)),
                "chunk_sha256": .vector(hashes),
            ]),
            .record(["size": .nat64, "sha256": .blob, "chunk_bytes": .nat32, "chunk_sha256": .vector(.blob)]))
        for (index, chunk) in chunks.enumerated() where answer.payload(of: "ok") != nil {
            answer = try send(
                "put_chunk",
                .record(["sha256": .blob(hash), "index": .nat32(UInt32(index)), "data": .blob(chunk)]),
                .record(["sha256": .blob, "index": .nat32, "data": .blob]))
        }
        guard answer.payload(of: "ok") != nil else {
            throw CommandFailure(.failure, "the canister refuses the upload of this model: \(answer)")
        }
        // Large files are hashed over several messages.
        repeat {
            answer = try send("activate", .blob(hash), .blob)
        } while answer.payload(of: "err")?.payload(of: "in_progress") != nil
        if answer.payload(of: "ok") == nil {
            let reason = answer.payload(of: "err")?.payload(of: "bad_model")
            guard case .text(let text)? = reason else {
                throw CommandFailure(.failure, "the canister refuses to activate this model")
            }
            throw CommandFailure(
                .failure, "the canister refuses to activate this model: \(String(decoding: text, as: UTF8.self))")
        }
        return ModelCosts.UploadCost(
            messages: total.messages, instructions: total.instructions, bytes: total.bytes, cycles: total.cycles,
            usDollars: usDollars(total.cycles))
    }

    // MARK: Advice

    /// What would fit, for a model that a query does not take.
    private func advice(_ calls: [ModelCosts.Call]) -> String? {
        guard let query = calls.first(where: { $0.isQuery && $0.failure != nil }) else { return nil }
        let share = 1 / max(query.shareOfLimit, 1)
        let update = calls.first { !$0.isQuery && $0.failure == nil }
        let cheaper = String(
            format: "a query takes a network of %.0f %% of these multiply-accumulates: about %.0f %% of the channels, or a picture of %dx%d",
            100 * share, 100 * share.squareRoot(), Int(Double(model.input.height) * share.squareRoot()),
            Int(Double(model.input.width) * share.squareRoot()))
        guard let update else {
            return "neither a query nor an update takes this network (\(query.failure ?? "")); " + cheaper
        }
        return "a query does not take this network, classify_update does, for "
            + "\(ProgressBar.grouped(Int(clamping: update.cycles))) cycles; " + cheaper
    }
}
