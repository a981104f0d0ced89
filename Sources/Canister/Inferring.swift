import Candid
import IC0
import Images
import Inference

extension Classifier {
    /// The integer logits of pictures in any form.
    func logits(_ images: [CandidValue]) throws(ClassifierError) -> CandidValue {
        let serving = try active()
        try serving.checkQuery()
        var budget = try BatchBudget(images.count, bytesEach: 4 * serving.labels.count, serving.cost)
        var rows: [CandidValue] = []
        rows.reserveCapacity(images.count)
        for image in images {
            try budget.check(system.performanceCounter())
            let logits = try serving.logits(pixels: try pixels(of: Picture(image), serving.input))
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
        try serving.checkQuery()
        let bytesEach = serving.input.byteCount
        let (expected, overflow) = UInt64(count).multipliedReportingOverflow(by: UInt64(bytesEach))
        guard !overflow, expected == UInt64(pixels.count) else {
            throw .wrongSize(expected: expected, found: UInt64(pixels.count))
        }
        var budget = try BatchBudget(Int(count), bytesEach: 4 * serving.labels.count, serving.cost)
        var output: [UInt8] = []
        output.reserveCapacity(Int(count) * serving.labels.count * 4)
        for index in 0..<Int(count) {
            try budget.check(system.performanceCounter())
            let logits = try serving.logits(pixels: [UInt8](pixels[(index * bytesEach)..<((index + 1) * bytesEach)]))
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

    private func scores(_ logits: CandidValue, _ serving: Serving<System>) -> CandidValue {
        .record([
            "logits": logits, "model_sha256": .blob(serving.stored.sha256),
            "instructions": .nat64(system.performanceCounter()),
        ])
    }

    /// The bytes a model takes: raw ones must fit exactly, a PNG is decoded, resized and converted.
    func pixels(of picture: Picture, _ geometry: InputGeometry) throws(ClassifierError) -> [UInt8] {
        switch picture {
        case .pixels(let pixels):
            guard pixels.count == geometry.byteCount else {
                throw .wrongSize(expected: UInt64(geometry.byteCount), found: UInt64(pixels.count))
            }
            return pixels
        case .png(let file):
            do throws(ImageError) {
                let image = try PNG.decode(file, limits: .small)
                return image.fitted(
                    width: geometry.width, height: geometry.height, channels: geometry.channels
                ).pixels
            } catch {
                throw .badImage(sentence(error.message, "byte", error.offset))
            }
        }
    }
}

/// Stops a batch before it would run into the limits of a query: then the answer says how many would have fitted.
struct BatchBudget {
    private let count: Int
    private var done = 0
    private var last: UInt64 = 0
    private var dearest: UInt64 = 0

    /// - Parameter bytesEach: of the answer for one picture.
    init(_ count: Int, bytesEach: Int, _ cost: InferenceCost) throws(ClassifierError) {
        let reads = cost.stableBytes == 0 ? UInt64(count) : cost.budgets.queryStableBytes / cost.stableBytes
        let fitting = min(Limits.answerBytes / bytesEach, Int(clamping: reads))
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
