import Candid

/// The methods of the service, in the order of classifier.did.
public enum Method: CaseIterable, Sendable {
    case beginUpload, putChunk, missingChunks, abortUpload
    case activate, rollback, models, modelInfo
    case grantUploader, revokeUploader, uploaders
    case classify, classifyUpdate, logits, logitsRaw
    case version

    /// The name under which the method is called.
    public var name: StaticString {
        switch self {
        case .beginUpload: "begin_upload"
        case .putChunk: "put_chunk"
        case .missingChunks: "missing_chunks"
        case .abortUpload: "abort_upload"
        case .activate: "activate"
        case .rollback: "rollback"
        case .models: "models"
        case .modelInfo: "model_info"
        case .grantUploader: "grant_uploader"
        case .revokeUploader: "revoke_uploader"
        case .uploaders: "uploaders"
        case .classify: "classify"
        case .classifyUpdate: "classify_update"
        case .logits: "logits"
        case .logitsRaw: "logits_raw"
        case .version: "version"
        }
    }

    public var isQuery: Bool {
        switch self {
        case .missingChunks, .models, .modelInfo, .uploaders, .classify, .logits, .logitsRaw, .version: true
        default: false
        }
    }

    /// Who may call it.
    var access: Access {
        switch self {
        case .beginUpload, .putChunk, .abortUpload, .activate, .rollback: .uploaders
        case .grantUploader, .revokeUploader: .controllers
        default: .everyone
        }
    }

    /// The most bytes an honest argument has.
    var argumentLimit: Int {
        switch self {
        case .beginUpload: 64 * Limits.chunks + 1024
        case .putChunk: Limits.chunkBytes + 1024
        case .classify, .classifyUpdate, .logits, .logitsRaw: Limits.messageBytes
        default: 1024
        }
    }

    /// The argument types in classifier.did.
    public var argumentTypes: [CandidType] {
        switch self {
        case .beginUpload: [Interface.manifest]
        case .putChunk: [.record(["sha256": .blob, "index": .nat32, "data": .blob])]
        case .missingChunks, .abortUpload, .activate: [.blob]
        case .rollback: [.nat64]
        case .grantUploader, .revokeUploader: [.principal]
        case .classify, .classifyUpdate:
            [.record(["image": Interface.image, "top": .optional(.nat32)])]
        case .logits: [.vector(Interface.image)]
        case .logitsRaw: [.record(["count": .nat32, "pixels": .blob])]
        case .models, .modelInfo, .uploaders, .version: []
        }
    }

    /// The result type in classifier.did.
    public var resultType: CandidType {
        switch self {
        case .beginUpload: Interface.result(.record(["missing": .vector(.nat32)]))
        case .putChunk: Interface.result(.record(["remaining": .nat32]))
        case .missingChunks: Interface.result(.vector(.nat32))
        case .abortUpload, .grantUploader, .revokeUploader: Interface.result(.null)
        case .activate, .rollback, .modelInfo: Interface.result(Interface.modelInfo)
        case .models: .vector(Interface.modelInfo)
        case .uploaders: .vector(.principal)
        case .classify, .classifyUpdate: Interface.result(Interface.answer)
        case .logits: Interface.result(Interface.scores(.vector(.vector(.int32))))
        case .logitsRaw: Interface.result(Interface.scores(.blob))
        case .version: .record(["canister": .text, "layout": .nat32])
        }
    }
}

/// Who may call a method.
enum Access {
    case everyone, uploaders, controllers
}

/// The named types of classifier.did.
enum Interface {
    static var error: CandidType {
        .variant([
            "not_authorized": .null, "no_model": .null, "bad_image": .text,
            "wrong_size": .record(["expected": .nat64, "found": .nat64]), "bad_model": .text,
            "unknown_upload": .null, "hash_mismatch": .record(["expected": .blob, "found": .blob]),
            "missing_chunks": .vector(.nat32), "bad_request": .text,
            "too_large": .record(["limit": .nat64, "found": .nat64]), "unknown_version": .nat64,
            "out_of_memory": .null,
        ])
    }

    static func result(_ ok: CandidType) -> CandidType { .variant(["ok": ok, "err": error]) }

    static var manifest: CandidType {
        .record(["size": .nat64, "sha256": .blob, "chunk_bytes": .nat32, "chunk_sha256": .vector(.blob)])
    }

    static var modelInfo: CandidType {
        .record([
            "version": .nat64, "sha256": .blob, "size": .nat64, "name": .text, "input": geometry,
            "labels": .vector(.text), "multiply_accumulates": .nat64, "provenance": .text,
            "activated_at": .nat64,
        ])
    }

    static var geometry: CandidType { .record(["height": .nat32, "width": .nat32, "channels": .nat32]) }

    /// What a model says about itself, as kept beside its file.
    static var card: CandidType {
        .record([
            "name": .text, "input": geometry, "labels": .vector(.text), "multiply_accumulates": .nat64,
            "provenance": .text,
        ])
    }

    static var image: CandidType { .variant(["png": .blob, "pixels": .blob]) }

    static var label: CandidType {
        .record(["index": .nat32, "label": .text, "probability": .float32, "logit": .int32])
    }

    static var answer: CandidType {
        .record([
            "top": .vector(label), "model_version": .nat64, "model_sha256": .blob, "instructions": .nat64,
        ])
    }

    static func scores(_ logits: CandidType) -> CandidType {
        .record(["logits": logits, "model_sha256": .blob, "instructions": .nat64])
    }
}
