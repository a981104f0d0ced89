import Digests
import IC0
import Inference

/// One picture on its way through a model over several messages. It lives on the heap: after an upgrade the same
/// call begins anew.
struct PictureRun<System: SystemAPI> {
    /// Who asked, and the SHA-256 of what: the same call goes on.
    let caller: [UInt8]
    let question: [UInt8]
    let version: UInt64
    let run: StoredRun<StableFile<System>>
    /// Instructions of the messages so far.
    var spent: UInt64 = 0
}

extension Classifier {
    /// The reply to `classify_update` for a model that may need more than one message.
    func continuedClassification(
        _ message: [UInt8], _ question: Question, _ serving: Serving<System>
    ) throws(ClassifierError) -> [UInt8] {
        guard case .stored(let outline, let file) = serving.engine else { throw .noModel }
        let key = SHA256.hash(message)
        let caller = system.caller()
        var run: PictureRun<System>
        if let index = runs.firstIndex(where: { $0.caller == caller && $0.question == key }),
            runs[index].version == serving.stored.version
        {
            run = runs.remove(at: index)
        } else {
            runs.removeAll { $0.caller == caller && $0.question == key }
            try admitUpdate()
            run = PictureRun(
                caller: caller, question: key, version: serving.stored.version,
                run: StoredRun(outline, file, pixels: try pixels(of: question.picture, serving.input)))
        }
        guard try advance(run.run, stableBytes: budgets.sliceStableBytes) else {
            run.spent &+= system.performanceCounter()
            keep(run)
            throw .inProgress(done: run.run.done, total: run.run.total)
        }
        return answer(run.run.logits, question, serving, .classifyUpdate, spent: run.spent)
    }

    /// Whether the caller has a classification under way, which its rate has counted already.
    func isContinued() -> Bool {
        guard !runs.isEmpty else { return false }
        let caller = system.caller()
        return runs.contains { $0.caller == caller }
    }

    /// Goes on as long as this message may; true when the logits are there.
    ///
    /// - Parameter stableBytes: bytes of stable memory that the message may still read.
    func advance(
        _ run: StoredRun<StableFile<System>>, stableBytes: UInt64
    ) throws(ClassifierError) -> Bool {
        let start = run.done
        do throws(ModelFileError) {
            return try run.advance { done in
                done - start < stableBytes
                    && system.performanceCounter() < Limits.sliceInstructions
            }
        } catch {
            throw ClassifierError(error)
        }
    }

    /// Keeps a run for its next message; the one that waits longest makes room.
    private func keep(_ run: PictureRun<System>) {
        if runs.count >= Limits.runs { runs.removeFirst() }
        runs.append(run)
    }
}
