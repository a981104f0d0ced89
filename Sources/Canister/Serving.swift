import IC0
import Inference

/// A file in stable memory, as the reader of models sees it.
struct StableFile<System: SystemAPI>: ModelStorage {
    let system: System
    let region: Region
    let byteCount: UInt64

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
        system.stableRead(at: region.offset + offset, into: buffer)
    }
}

/// What one picture may take, estimated from above.
struct InferenceCost {
    let instructions: UInt64
    let stableBytes: UInt64
    let budgets: Budgets

    var fitsAQuery: Bool {
        instructions <= budgets.queryInstructions && stableBytes <= budgets.queryStableBytes
    }
}

/// A model that can run, whatever its size.
enum LoadedModel<System: SystemAPI> {
    /// Its weights are packed in memory.
    case resident(QuantizedModel)
    /// Its weights stay in stable memory and are read for each picture, layer by layer.
    case stored(ModelOutline, StableFile<System>)
}

/// The active model, ready to run.
struct Serving<System: SystemAPI> {
    enum Engine {
        case resident(IntegerExecutor)
        case stored(ModelOutline, StableFile<System>)
    }

    let stored: StoredModel
    let input: InputGeometry
    let labels: [[UInt8]]
    let logitScale: Float
    let cost: InferenceCost
    let engine: Engine
    /// Bytes of the longest label.
    let longestLabel: Int

    init(stored: StoredModel, _ budgets: Budgets, model: LoadedModel<System>) {
        self.stored = stored
        switch model {
        case .resident(let model):
            (input, labels, logitScale) = (model.input, model.labels, model.logitScale)
            cost = InferenceCost(instructions: model.estimatedInstructions, stableBytes: 0, budgets: budgets)
            engine = .resident(IntegerExecutor(model))
        case .stored(let outline, let file):
            (input, labels, logitScale) = (outline.input, outline.labels, outline.logitScale)
            cost = InferenceCost(
                instructions: outline.storedInstructions, stableBytes: file.byteCount, budgets: budgets)
            engine = .stored(outline, file)
        }
        longestLabel = labels.reduce(0) { max($0, $1.count) }
    }

    /// Refuses a query before it spends what it does not have.
    func checkQuery() throws(ClassifierError) {
        guard cost.fitsAQuery else { throw .tooExpensive(cost: cost, instead: "classify_update") }
    }

    /// The logits of one picture, all at once.
    func logits(pixels: [UInt8]) throws(ClassifierError) -> [Int32] {
        switch engine {
        case .resident(let executor): return executor.logits(pixels: pixels)
        case .stored(let outline, let file):
            let run = StoredRun(outline, file, pixels: pixels)
            do throws(ModelFileError) {
                _ = try run.advance { _ in true }
            } catch {
                throw ClassifierError(error)
            }
            return run.logits
        }
    }
}

extension ClassifierError {
    init(_ error: ModelFileError) {
        self = .badModel(sentence(error.message, "byte", error.offset))
    }
}
