import Candid
import IC0

/// The classifier canister: stores verified models, serves one of them, answers with labels.
///
/// All state that matters is in stable memory; the heap holds the active model ready to run. Every method answers;
/// what a caller sends can only lead to an `err`.
public final class Classifier<System: SystemAPI> {
    let system: System
    let budgets: Budgets
    let store: StableStore<System>
    /// Argument and result types of every method, by its raw value: their headers are made at installation, so that
    /// no query makes them.
    let signatures: [(argument: CandidSignature, result: CandidSignature)]
    /// The active model, ready to run.
    var serving: Serving<System>?
    /// Why the active model could not be loaded, if it could not.
    var servingFault: ClassifierError = .noModel
    var rates = CallRates()
    /// Files that are being verified over several messages.
    var verifications: [Verification<System>] = []
    /// Classifications over several messages, the one that was asked for last at the end.
    var runs: [PictureRun<System>] = []
    /// The picture of an evaluation that takes several messages.
    var scoring: ScoringRun<System>?
    /// What certified data is the root of.
    var certified: CertifiedTree = .empty

    /// The page that `http_request` serves.
    let site: WebSite

    /// - Parameter assets: the files of the page; without them web requests find only the model file.
    public init(system: System, assets: [WebAsset] = [], budgets: Budgets = Budgets()) {
        self.system = system
        self.budgets = budgets
        site = WebSite(assets)
        store = StableStore(system: system)
        signatures = Method.allCases.map {
            (CandidSignature($0.argumentTypes), CandidSignature([$0.resultType]))
        }
    }

    /// `canister_init`: lays out stable memory.
    public func install() throws(StableStoreError) {
        try store.format()
        certify()
    }

    /// `canister_post_upgrade`: takes over stable memory and loads the active model, so that no query has to.
    ///
    /// A model that cannot be loaded does not stop the upgrade: the methods that need it answer why, and another
    /// version can be activated.
    public func restore() throws(StableStoreError) {
        try store.load()
        certify()
        guard let active = store.directory.model(version: store.directory.activeVersion) else { return }
        do throws(ClassifierError) {
            serving = Serving(stored: active, budgets, model: try loadModel(active.file, size: active.size))
        } catch {
            servingFault = error
        }
    }

    /// `canister_inspect_message`: refuses, before it costs anything, what the method would refuse.
    public func inspect() {
        let name = system.methodName()
        for method in Method.allCases where bytes(of: method.name) == name {
            guard system.argumentSize() <= method.argumentLimit, isAllowed(method.access) else { return }
            switch method {
            case .classifyUpdate: guard serving != nil, isContinued() || wouldAdmitUpdate() else { return }
            case .putChunk, .abortUpload: guard !store.directory.uploads.isEmpty else { return }
            default: break
            }
            return system.acceptMessage()
        }
    }

    /// Runs a method: reads its argument, replies.
    public func handle(_ method: Method) {
        do throws(ClassifierError) {
            switch method {
            case .classify, .classifyUpdate, .classifyComposite:
                system.reply(try classification(method))
            case .putChunk:
                reply(method, .variant("ok", try putChunk()))
            default:
                let value = try perform(method, try arguments(of: method))
                reply(method, method.canFail ? .variant("ok", value) : value)
            }
        } catch {
            guard method.canFail else {
                // Only an argument that is no Candid message gets here: the method has no error to answer with.
                return system.reject(bytes(of: "the argument is not a valid Candid message"))
            }
            reply(method, .variant("err", error.value))
        }
    }

    private func reply(_ method: Method, _ result: CandidValue) {
        do throws(CandidError) {
            system.reply(try signatures[method.rawValue].result.encode([result]))
        } catch {
            system.reject(sentence(error.text, "argument", error.offset))
        }
    }

    /// The bytes of the argument, once it is known that they are worth copying.
    func message(of method: Method) throws(ClassifierError) -> [UInt8] {
        try admit(method)
        return system.argument()
    }

    /// Whether the caller may send this, as far as that is known without reading it.
    func admit(_ method: Method) throws(ClassifierError) {
        guard isAllowed(method.access) else { throw .notAuthorized }
        let size = system.argumentSize()
        guard size <= method.argumentLimit else {
            throw .tooLarge(limit: UInt64(method.argumentLimit), found: UInt64(size))
        }
    }

    private func arguments(of method: Method) throws(ClassifierError) -> [CandidValue] {
        try decode(try message(of: method), method)
    }

    func decode(_ message: [UInt8], _ method: Method) throws(ClassifierError) -> [CandidValue] {
        do throws(CandidError) {
            return try signatures[method.rawValue].argument.decode(message)
        } catch {
            throw .badRequest(sentence(error.text, "byte", error.offset))
        }
    }

    private func perform(
        _ method: Method, _ arguments: [CandidValue]
    ) throws(ClassifierError) -> CandidValue {
        switch method {
        case .beginUpload: return try beginUpload(Manifest(arguments[0]))
        // Answered by `putChunk()`.
        case .putChunk: return .null
        case .missingChunks: return try missingChunks(hash(arguments[0]))
        case .abortUpload: return try abortUpload(hash(arguments[0]))
        case .activate: return try activate(hash(arguments[0]))
        case .downloadChunk: return try downloadChunk(arguments[0])
        case .rollback: return try rollback(arguments[0].asUInt64 ?? 0)
        case .deleteVersion: return try deleteVersion(arguments[0].asUInt64 ?? 0)
        case .models: return models()
        case .certifiedModel: return try certifiedModel()
        case .evaluate: return try evaluate(hash(arguments[0]))
        case .certifiedEvaluation: return try certifiedEvaluation()
        case .modelInfo: return try modelInfo()
        case .grantUploader: return try grant(.uploader, to: arguments[0].asBytes ?? [])
        case .revokeUploader: return revoke(.uploader, from: arguments[0].asBytes ?? [])
        case .uploaders: return uploaders()
        case .grantRole: return try change(arguments[0], isGrant: true)
        case .revokeRole: return try change(arguments[0], isGrant: false)
        case .roles: return roles()
        case .configure: return try configure(arguments[0])
        case .settings: return store.directory.settings.value
        case .logits: return try logits(arguments[0].asVector ?? [])
        case .logitsRaw: return try logitsRaw(arguments[0])
        // Answered by `classification`.
        case .classify, .classifyUpdate, .classifyComposite: return .null
        case .classifyBatch: return try classifyBatch(arguments[0])
        case .httpRequest: return httpRequest(arguments[0])
        case .httpStream: return httpStream(arguments[0])
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
        case .models, .uploaders, .roles, .settings, .httpRequest, .httpStream, .version: false
        default: true
        }
    }
}
