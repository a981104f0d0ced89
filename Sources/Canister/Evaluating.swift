import Candid
import IC0
import Inference

/// The head of a labelled test set: `DEAI-SET`, then little-endian version (u32), count (u32), height, width, channels
/// and classes (u16 each). A byte of label for each picture follows, then the pictures.
struct TestSetHeader {
    static let byteCount = 24

    let count: UInt64
    let height: Int
    let width: Int
    let channels: Int
    let classes: Int

    init(_ head: [UInt8]) throws(ClassifierError) {
        func number(_ at: Int, _ count: Int) -> UInt64 {
            var value: UInt64 = 0
            for index in (0..<count).reversed() { value = value << 8 | UInt64(head[at + index]) }
            return value
        }
        guard head.count == Self.byteCount, [UInt8](head[..<8]) == bytes(of: "DEAI-SET"), number(8, 4) == 1
        else {
            throw .badRequest("this file is no test set")
        }
        count = number(12, 4)
        height = Int(number(16, 2))
        width = Int(number(18, 2))
        channels = Int(number(20, 2))
        classes = Int(number(22, 2))
    }

    var pictureBytes: Int { height * width * channels }
    var fileBytes: UInt64 { UInt64(Self.byteCount) + count * UInt64(1 + pictureBytes) }
}

/// A picture of a test set on its way through a model over several messages.
struct ScoringRun<System: SystemAPI> {
    let dataSHA256: [UInt8]
    let version: UInt64
    let picture: UInt64
    let run: StoredRun<StableFile<System>>
}

extension Classifier {
    /// Scores an uploaded test set with the active model, a slice per call; answers how far it is.
    ///
    /// A call for the evaluation that is under way goes on with it, also after an upgrade; another model or another set
    /// begins a new one, which replaces the former.
    func evaluate(_ sha256: [UInt8]) throws(ClassifierError) -> CandidValue {
        let serving = try active()
        if let stored = store.directory.evaluations.first, stored.dataSHA256 == sha256,
            stored.modelSHA256 == serving.stored.sha256, stored.done == stored.images
        {
            return value(of: stored)
        }
        let upload = try upload(sha256)
        let missing = missing(upload)
        guard missing.isEmpty else { throw .missingChunks(missing) }
        var evaluation = try begun(upload, serving)
        let header = try header(upload)
        let done = evaluation.done
        let scored = try score(&evaluation, header, upload.file, serving)
        system.stableWrite(at: evaluation.confusion.offset, scored)
        evaluation.instructions &+= system.performanceCounter()
        var directory = store.directory
        directory.evaluations = [evaluation]
        store.commit(directory)
        certify()
        // One picture takes more than this message.
        if evaluation.done == done, let scoring { throw .inProgress(done: scoring.run.done, total: scoring.run.total) }
        return value(of: evaluation)
    }

    private func header(_ upload: Upload) throws(ClassifierError) -> TestSetHeader {
        let count = Int(min(UInt64(TestSetHeader.byteCount), upload.size))
        return try TestSetHeader(system.stableRead(at: upload.file.offset, count: count))
    }

    /// The evaluation under way, or a new one once the file is verified and fits the model.
    private func begun(
        _ upload: Upload, _ serving: Serving<System>
    ) throws(ClassifierError) -> StoredEvaluation {
        if let stored = store.directory.evaluations.first, stored.dataSHA256 == upload.sha256,
            stored.modelSHA256 == serving.stored.sha256
        {
            return stored
        }
        let header = try header(upload)
        let input = serving.input
        guard header.height == input.height, header.width == input.width, header.channels == input.channels,
            header.classes == serving.labels.count
        else { throw .badRequest("the test set has other pictures or classes than the model") }
        guard header.fileBytes == upload.size, header.count > 0 else {
            throw .wrongSize(expected: header.fileBytes, found: upload.size)
        }
        try verify(upload.file, size: upload.size, sha256: upload.sha256)
        let table = UInt64(header.classes * header.classes * 4)
        guard let region = store.allocate(pages: Region.pages(for: table)) else { throw .outOfMemory }
        return StoredEvaluation(
            modelSHA256: serving.stored.sha256, dataSHA256: upload.sha256, images: header.count,
            classes: UInt64(header.classes), done: 0, correct: 0, instructions: 0, confusion: region)
    }

    /// Scores pictures as long as the message allows, at least one; gives the new table.
    private func score(
        _ evaluation: inout StoredEvaluation, _ header: TestSetHeader, _ file: Region, _ serving: Serving<System>
    ) throws(ClassifierError) -> [UInt8] {
        let classes = header.classes
        var table =
            evaluation.done == 0
            ? [UInt8](repeating: 0, count: classes * classes * 4) : confusionBytes(evaluation)
        let labels = file.offset + UInt64(TestSetHeader.byteCount)
        let pictures = labels + header.count
        var last = system.performanceCounter()
        var dearest: UInt64 = 0
        var allowance = budgets.sliceStableBytes
        while evaluation.done < header.count {
            guard dearest == 0 || last &+ dearest <= Limits.sliceInstructions else { break }
            let label = Int(system.stableRead(at: labels + evaluation.done, count: 1)[0])
            guard label < classes else {
                throw .badRequest(sentence("a label is no class", "picture", Int(clamping: evaluation.done)))
            }
            let offset = pictures + evaluation.done * UInt64(header.pictureBytes)
            let pixels = system.stableRead(at: offset, count: header.pictureBytes)
            guard let logits = try logits(evaluation, pixels, serving, &allowance) else { break }
            let answer = Prediction.best(logits: logits[...])
            increment(&table, 4 * (label * classes + answer))
            if answer == label { evaluation.correct += 1 }
            evaluation.done += 1
            let now = system.performanceCounter()
            dearest = max(dearest, now &- last, 1)
            last = now
        }
        return table
    }

    /// The logits of the picture that comes next; nil when this message does not get to their end.
    private func logits(
        _ evaluation: StoredEvaluation, _ pixels: [UInt8], _ serving: Serving<System>, _ allowance: inout UInt64
    ) throws(ClassifierError) -> [Int32]? {
        guard case .stored(let outline, let file) = serving.engine else { return try serving.logits(pixels: pixels) }
        var state = ScoringRun(
            dataSHA256: evaluation.dataSHA256, version: serving.stored.version, picture: evaluation.done,
            run: StoredRun(outline, file, pixels: pixels))
        if let known = scoring, known.dataSHA256 == state.dataSHA256, known.version == state.version,
            known.picture == state.picture
        {
            state = known
        }
        scoring = state
        let start = state.run.done
        guard try advance(state.run, stableBytes: allowance) else { return nil }
        allowance -= min(allowance, state.run.done - start)
        scoring = nil
        return state.run.logits
    }

    private func increment(_ table: inout [UInt8], _ offset: Int) {
        for index in offset..<(offset + 4) {
            table[index] &+= 1
            if table[index] != 0 { return }
        }
    }

    /// The confusion matrix as little-endian u32, rows by label.
    func confusionBytes(_ evaluation: StoredEvaluation) -> [UInt8] {
        let classes = Int(evaluation.classes)
        return system.stableRead(at: evaluation.confusion.offset, count: classes * classes * 4)
    }

    /// `Evaluation` in classifier.did.
    func value(of evaluation: StoredEvaluation) -> CandidValue {
        let table = confusionBytes(evaluation)
        var counts: [CandidValue] = []
        for offset in stride(from: 0, to: table.count, by: 4) {
            var count: UInt32 = 0
            for index in (0..<4).reversed() { count = count << 8 | UInt32(table[offset + index]) }
            counts.append(.nat32(count))
        }
        return .record([
            "model_sha256": .blob(evaluation.modelSHA256), "data_sha256": .blob(evaluation.dataSHA256),
            "images": .nat64(evaluation.images), "done": .nat64(evaluation.done),
            "correct": .nat64(evaluation.correct), "confusion": .vector(counts),
            "instructions": .nat64(evaluation.instructions),
        ])
    }
}
