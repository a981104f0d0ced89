import Candid
import IC0

/// The classifier canister: stores verified models, serves one of them, answers with labels.
///
/// All state that matters is in stable memory; the heap holds the active model ready to run. Every method answers;
/// what a caller sends can only lead to an `err`.
public final class Classifier<System: SystemAPI> {
    let system: System
    let store: StableStore<System>
    /// The active model, ready to run.
    var serving: Serving?
    /// Why the active model could not be loaded, if it could not.
    var servingFault: ClassifierError = .noModel

    public init(system: System) {
        self.system = system
        store = StableStore(system: system)
    }

    /// `canister_init`: lays out stable memory.
    public func install() throws(StableStoreError) {
        try store.format()
    }

    /// `canister_post_upgrade`: takes over stable memory and loads the active model, so that no query has to.
    ///
    /// A model that cannot be loaded does not stop the upgrade: the methods that need it answer why, and another
    /// version can be activated.
    public func restore() throws(StableStoreError) {
        try store.load()
        guard let active = store.directory.model(version: store.directory.activeVersion) else { return }
        do throws(ClassifierError) {
            serving = Serving(stored: active, model: try readModel(active.file, size: active.size))
        } catch {
            servingFault = error
        }
    }

    /// `canister_inspect_message`: refuses, before it costs anything, what the method would refuse.
    public func inspect() {
        let name = system.methodName()
        for method in Method.allCases where bytes(of: method.name) == name {
            guard system.argumentSize() <= method.argumentLimit, isAllowed(method.access) else { return }
            if method == .classifyUpdate, serving == nil { return }
            return system.acceptMessage()
        }
    }

    /// Runs a method: reads its argument, replies.
    public func handle(_ method: Method) {
        var result: CandidValue
        do throws(ClassifierError) {
            let value = try perform(method, try arguments(of: method))
            result = method.canFail ? .variant("ok", value) : value
        } catch {
            guard method.canFail else {
                // Only an argument that is no Candid message gets here: the method has no error to answer with.
                return system.reject(bytes(of: "the argument is not a valid Candid message"))
            }
            result = .variant("err", error.value)
        }
        do throws(CandidError) {
            system.reply(try Candid.encode([result], as: [method.resultType]))
        } catch {
            system.reject(sentence(error.text, "argument", error.offset))
        }
    }

    private func arguments(of method: Method) throws(ClassifierError) -> [CandidValue] {
        guard isAllowed(method.access) else { throw .notAuthorized }
        let size = system.argumentSize()
        guard size <= method.argumentLimit else {
            throw .tooLarge(limit: UInt64(method.argumentLimit), found: UInt64(size))
        }
        do throws(CandidError) {
            return try Candid.decode(system.argument(), as: method.argumentTypes)
        } catch {
            throw .badRequest(sentence(error.text, "byte", error.offset))
        }
    }

    private func perform(
        _ method: Method, _ arguments: [CandidValue]
    ) throws(ClassifierError) -> CandidValue {
        switch method {
        case .beginUpload: return try beginUpload(Manifest(arguments[0]))
        case .putChunk: return try putChunk(Chunk(arguments[0]))
        case .missingChunks: return try missingChunks(hash(arguments[0]))
        case .abortUpload: return try abortUpload(hash(arguments[0]))
        case .activate: return try activate(hash(arguments[0]))
        case .rollback: return try rollback(arguments[0].asUInt64 ?? 0)
        case .models: return models()
        case .modelInfo: return try modelInfo()
        case .grantUploader: return try grantUploader(arguments[0].asBytes ?? [])
        case .revokeUploader: return try revokeUploader(arguments[0].asBytes ?? [])
        case .uploaders: return uploaders()
        case .classify, .classifyUpdate: return try classify(arguments[0])
        case .logits: return try logits(arguments[0].asVector ?? [])
        case .logitsRaw: return try logitsRaw(arguments[0])
        case .version:
            return .record([
                "canister": .text(Version.text), "layout": .nat32(StableStore<System>.layout),
            ])
        }
    }
}

extension Method {
    /// Whether the result is a variant of `ok` and `err`.
    var canFail: Bool {
        switch self {
        case .models, .uploaders, .version: false
        default: true
        }
    }
}
