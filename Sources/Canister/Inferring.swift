import Candid
import IC0
import Images
import Inference

extension Classifier {
    /// The best labels for one picture.
    func classify(_ question: CandidValue) throws(ClassifierError) -> CandidValue {
        let serving = try active()
        guard let image = question["image"] else { throw .badRequest("no image") }
        let top = question["top"]?.unwrapped?.asUInt32.map { Int($0) } ?? Limits.defaultTop
        let logits = serving.executor.logits(pixels: try pixels(of: image, serving.model.input))
        let ranked = Prediction.ranked(
            logits: logits, logitScale: serving.model.logitScale, top: min(top, logits.count))
        return .record([
            "top": .vector(ranked.map { label($0, serving.model) }),
            "model_version": .nat64(serving.stored.version), "model_sha256": .blob(serving.stored.sha256),
            "instructions": .nat64(system.performanceCounter()),
        ])
    }

    private func label(_ prediction: Prediction, _ model: QuantizedModel) -> CandidValue {
        .record([
            "index": .nat32(UInt32(prediction.index)), "label": .text(model.labels[prediction.index]),
            "probability": .float32(prediction.probability), "logit": .int32(prediction.logit),
        ])
    }

    /// The integer logits of pictures in any form.
    func logits(_ images: [CandidValue]) throws(ClassifierError) -> CandidValue {
        let serving = try active()
        var budget = try BatchBudget(images.count, classes: serving.model.labels.count)
        var rows: [CandidValue] = []
        rows.reserveCapacity(images.count)
        for image in images {
            try budget.check(system.performanceCounter())
            let logits = serving.executor.logits(pixels: try pixels(of: image, serving.model.input))
            rows.append(.vector(logits.map { .int32($0) }))
        }
        return scores(.vector(rows), serving)
    }

    /// The integer logits of `count` pictures as one run of bytes.
    func logitsRaw(_ batch: CandidValue) throws(ClassifierError) -> CandidValue {
        let serving = try active()
        guard let count = batch["count"]?.asUInt32, let pixels = batch["pixels"]?.asBytes else {
            throw .badRequest("not a batch")
        }
        let bytesEach = serving.model.input.byteCount
        let (expected, overflow) = UInt64(count).multipliedReportingOverflow(by: UInt64(bytesEach))
        guard !overflow, expected == UInt64(pixels.count) else {
            throw .wrongSize(expected: expected, found: UInt64(pixels.count))
        }
        var budget = try BatchBudget(Int(count), classes: serving.model.labels.count)
        var output: [UInt8] = []
        output.reserveCapacity(Int(count) * serving.model.labels.count * 4)
        for index in 0..<Int(count) {
            try budget.check(system.performanceCounter())
            let logits = pixels.withUnsafeBufferPointer { all in
                serving.executor.logits(
                    pixels: UnsafeBufferPointer(rebasing: all[(index * bytesEach)..<((index + 1) * bytesEach)]))
            }
            for logit in logits {
                let bits = UInt32(bitPattern: logit)
                output.append(UInt8(truncatingIfNeeded: bits))
                output.append(UInt8(truncatingIfNeeded: bits >> 8))
                output.append(UInt8(truncatingIfNeeded: bits >> 16))
                output.append(UInt8(truncatingIfNeeded: bits >> 24))
            }
        }
        return scores(.blob(output), serving)
    }

    private func scores(_ logits: CandidValue, _ serving: Serving) -> CandidValue {
        .record([
            "logits": logits, "model_sha256": .blob(serving.stored.sha256),
            "instructions": .nat64(system.performanceCounter()),
        ])
    }

    /// The bytes a model takes: raw ones must fit exactly, a PNG is decoded, resized and converted.
    private func pixels(
        of image: CandidValue, _ geometry: InputGeometry
    ) throws(ClassifierError) -> [UInt8] {
        if let pixels = image.payload(of: "pixels")?.asBytes {
            guard pixels.count == geometry.byteCount else {
                throw .wrongSize(expected: UInt64(geometry.byteCount), found: UInt64(pixels.count))
            }
            return pixels
        }
        guard let png = image.payload(of: "png")?.asBytes else { throw .badRequest("not an image") }
        do throws(ImageError) {
            let image = try PNG.decode(png, limits: .small)
            return image.fitted(width: geometry.width, height: geometry.height, channels: geometry.channels)
                .pixels
        } catch {
            throw .badImage(sentence(error.message, "byte", error.offset))
        }
    }
}

/// Stops a batch before it would run into the limits of a query: then the answer says how many would have fitted.
private struct BatchBudget {
    private let count: Int
    private var done = 0
    private var last: UInt64 = 0
    private var dearest: UInt64 = 0

    init(_ count: Int, classes: Int) throws(ClassifierError) {
        let fitting = Limits.logitBytes / (4 * classes)
        guard count <= fitting else { throw .tooLarge(limit: UInt64(fitting), found: UInt64(count)) }
        self.count = count
    }

    /// Called before each picture with the instructions used so far.
    mutating func check(_ instructions: UInt64) throws(ClassifierError) {
        if done > 0 { dearest = max(dearest, instructions &- last) }
        guard instructions &+ dearest <= Limits.batchInstructions else {
            throw .tooLarge(limit: UInt64(done), found: UInt64(count))
        }
        last = instructions
        done += 1
    }
}
