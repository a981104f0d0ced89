import Candid
import IC0
import Inference

/// A picture as it was sent.
enum Picture {
    case png([UInt8])
    case pixels([UInt8])

    init(_ value: CandidValue) throws(ClassifierError) {
        if let bytes = value.payload(of: "pixels")?.asBytes {
            self = .pixels(bytes)
        } else if let bytes = value.payload(of: "png")?.asBytes {
            self = .png(bytes)
        } else {
            throw .badRequest("not an image")
        }
    }
}

/// What `classify` is asked.
struct Question {
    let picture: Picture
    let top: Int

    init(_ value: CandidValue) throws(ClassifierError) {
        guard let image = value["image"] else { throw .badRequest("no image") }
        picture = try Picture(image)
        top = value["top"]?.unwrapped?.asUInt32.map { Int(clamping: $0) } ?? Limits.defaultTop
    }

    /// Reads a message whose header is the method's own: fields by ascending id are `top`, `image`, the cases of an
    /// image are `png`, `pixels`.
    init(_ message: [UInt8], after signature: CandidSignature) throws(CandidError) {
        var cursor = CandidCursor(message, after: signature)
        top = try cursor.option() ? Int(clamping: try cursor.nat32()) : Limits.defaultTop
        picture = try cursor.variant(cases: 2) == 0 ? .png(try cursor.blob()) : .pixels(try cursor.blob())
        try cursor.finish()
    }
}

extension Classifier {
    /// The whole reply to `classify`: the best labels for one picture.
    ///
    /// The hot path: neither argument nor answer become `CandidValue`s. A test compares it with the general way.
    func classification(_ method: Method) throws(ClassifierError) -> [UInt8] {
        let message = try message(of: method)
        let question = try question(message, method)
        let serving = try active()
        let isUpdate = method == .classifyUpdate
        if isUpdate, !serving.cost.fitsAQuery { return try continuedClassification(message, question, serving) }
        try serving.checkQuery()
        if isUpdate { try admitUpdate() }
        let logits = try serving.logits(pixels: try pixels(of: question.picture, serving.input))
        return answer(logits, question, serving, method, spent: 0)
    }

    /// The best labels for each of several pictures; one that cannot be read has an error of its own.
    func classifyBatch(_ batch: CandidValue) throws(ClassifierError) -> CandidValue {
        let serving = try active()
        try serving.checkQuery()
        let images = batch["images"]?.asVector ?? []
        let classes = serving.labels.count
        let top = min(
            batch["top"]?.unwrapped?.asUInt32.map { Int(clamping: $0) } ?? Limits.defaultTop, classes)
        var budget = try BatchBudget(images.count, bytesEach: 16 + top * (16 + serving.longestLabel), serving.cost)
        var answers: [CandidValue] = []
        answers.reserveCapacity(images.count)
        for image in images {
            try budget.check(system.performanceCounter())
            do throws(ClassifierError) {
                let pixels = try pixels(of: Picture(image), serving.input)
                let ranked = Prediction.ranked(
                    logits: try serving.logits(pixels: pixels), logitScale: serving.logitScale, top: top)
                answers.append(.variant("ok", .vector(ranked.map { label($0, serving) })))
            } catch {
                answers.append(.variant("err", error.value))
            }
        }
        return .record([
            "answers": .vector(answers), "model_version": .nat64(serving.stored.version),
            "model_sha256": .blob(serving.stored.sha256), "instructions": .nat64(system.performanceCounter()),
        ])
    }

    private func label(_ prediction: Prediction, _ serving: Serving<System>) -> CandidValue {
        .record([
            "index": .nat32(UInt32(prediction.index)), "label": .text(serving.labels[prediction.index]),
            "probability": .float32(prediction.probability), "logit": .int32(prediction.logit),
        ])
    }

    private func question(_ message: [UInt8], _ method: Method) throws(ClassifierError) -> Question {
        let signature = signatures[method.rawValue].argument
        guard signature.begins(message) else { return try Question(try decode(message, method)[0]) }
        do throws(CandidError) {
            return try Question(message, after: signature)
        } catch {
            throw .badRequest(sentence(error.text, "byte", error.offset))
        }
    }

    /// `ok` of an `Answer`: its fields by ascending id are `top`, `model_version`, `instructions`, `model_sha256`,
    /// those of a label `probability`, `label`, `logit`, `index`.
    ///
    /// - Parameter spent: instructions of the messages before this one.
    func answer(
        _ logits: [Int32], _ question: Question, _ serving: Serving<System>, _ method: Method, spent: UInt64
    ) -> [UInt8] {
        let ranked = Prediction.ranked(
            logits: logits, logitScale: serving.logitScale, top: min(question.top, logits.count))
        var writer = CandidWriter(signatures[method.rawValue].result, capacity: 64 + 32 * ranked.count)
        writer.index(0)
        writer.index(ranked.count)
        for prediction in ranked {
            writer.float32(prediction.probability)
            writer.sized(serving.labels[prediction.index])
            writer.int32(prediction.logit)
            writer.nat32(UInt32(prediction.index))
        }
        writer.nat64(serving.stored.version)
        let counter = writer.bytes.count
        writer.nat64(0)
        writer.sized(serving.stored.sha256)
        // As late as can be: what follows is the patch and the copy to the system.
        writer.patch(nat64: spent &+ system.performanceCounter(), at: counter)
        return writer.bytes
    }
}
