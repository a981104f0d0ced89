import Candid

/// The methods of the service, in the order of classifier.did.
public enum Method: Int, CaseIterable, Sendable {
    case beginUpload, putChunk, missingChunks, abortUpload, downloadChunk
    case activate, rollback, deleteVersion, models, modelInfo, certifiedModel
    case evaluate, certifiedEvaluation
    case grantUploader, revokeUploader, uploaders
    case grantRole, revokeRole, roles, configure, settings
    case classify, classifyUpdate, classifyComposite, classifyBatch, logits, logitsRaw
    case httpRequest, httpStream
    case version

    /// How a method is called and what it may change.
    public enum Kind: Sendable {
        case update, query, compositeQuery
    }

    /// The name under which the method is called.
    public var name: StaticString {
        switch self {
        case .beginUpload: "begin_upload"
        case .putChunk: "put_chunk"
        case .missingChunks: "missing_chunks"
        case .abortUpload: "abort_upload"
        case .downloadChunk: "download_chunk"
        case .activate: "activate"
        case .rollback: "rollback"
        case .deleteVersion: "delete_version"
        case .models: "models"
        case .modelInfo: "model_info"
        case .certifiedModel: "certified_model"
        case .evaluate: "evaluate"
        case .certifiedEvaluation: "certified_evaluation"
        case .grantUploader: "grant_uploader"
        case .revokeUploader: "revoke_uploader"
        case .uploaders: "uploaders"
        case .grantRole: "grant_role"
        case .revokeRole: "revoke_role"
        case .roles: "roles"
        case .configure: "configure"
        case .settings: "settings"
        case .classify: "classify"
        case .classifyUpdate: "classify_update"
        case .classifyComposite: "classify_composite"
        case .classifyBatch: "classify_batch"
        case .logits: "logits"
        case .logitsRaw: "logits_raw"
        case .httpRequest: "http_request"
        case .httpStream: "http_stream"
        case .version: "version"
        }
    }

    public var kind: Kind {
        switch self {
        case .missingChunks, .downloadChunk, .models, .modelInfo, .certifiedModel, .certifiedEvaluation,
            .uploaders, .roles, .settings, .classify, .classifyBatch, .logits, .logitsRaw, .httpRequest,
            .httpStream, .version:
            .query
        case .classifyComposite: .compositeQuery
        default: .update
        }
    }

    /// Who may call it.
    var access: Access {
        switch self {
        case .beginUpload, .putChunk, .abortUpload, .evaluate: .trainers
        case .activate, .rollback, .deleteVersion: .uploaders
        case .grantUploader, .revokeUploader, .grantRole, .revokeRole, .configure: .controllers
        case .downloadChunk, .classify, .classifyUpdate, .classifyComposite, .classifyBatch, .logits,
            .logitsRaw:
            .readers
        default: .everyone
        }
    }

    /// The most bytes an honest argument has.
    var argumentLimit: Int {
        switch self {
        case .beginUpload: 64 * Limits.chunks + 1024
        case .putChunk: Limits.chunkBytes + 1024
        case .classify, .classifyUpdate, .classifyComposite, .classifyBatch, .logits, .logitsRaw, .httpRequest:
            Limits.messageBytes
        default: 1024
        }
    }

    /// The argument types in classifier.did.
    public var argumentTypes: [CandidType] {
        switch self {
        case .beginUpload: [Interface.manifest]
        case .putChunk: [.record(["sha256": .blob, "index": .nat32, "data": .blob])]
        case .missingChunks, .abortUpload, .activate, .evaluate: [.blob]
        case .downloadChunk: [.record(["sha256": .blob, "offset": .nat64, "length": .nat32])]
        case .rollback, .deleteVersion: [.nat64]
        case .grantUploader, .revokeUploader: [.principal]
        case .grantRole, .revokeRole: [.record(["who": .principal, "role": Interface.role])]
        case .configure: [Interface.settings]
        case .classify, .classifyUpdate, .classifyComposite:
            [.record(["image": Interface.image, "top": .optional(.nat32)])]
        case .classifyBatch: [.record(["images": .vector(Interface.image), "top": .optional(.nat32)])]
        case .logits: [.vector(Interface.image)]
        case .logitsRaw: [.record(["count": .nat32, "pixels": .blob])]
        case .httpRequest: [Interface.webRequest]
        case .httpStream: [Interface.streamToken]
        case .models, .modelInfo, .certifiedModel, .certifiedEvaluation, .uploaders, .roles, .settings,
            .version:
            []
        }
    }

    /// The result type in classifier.did.
    public var resultType: CandidType {
        switch self {
        case .beginUpload: Interface.result(.record(["missing": .vector(.nat32)]))
        case .putChunk: Interface.result(.record(["remaining": .nat32]))
        case .missingChunks: Interface.result(.vector(.nat32))
        case .abortUpload, .deleteVersion, .grantUploader, .revokeUploader, .grantRole, .revokeRole,
            .configure:
            Interface.result(.null)
        case .downloadChunk: Interface.result(.record(["data": .blob, "size": .nat64]))
        case .activate, .rollback, .modelInfo: Interface.result(Interface.modelInfo)
        case .certifiedModel:
            Interface.result(
                .record(["model": Interface.modelInfo, "certificate": .blob, "witness": .blob]))
        case .evaluate: Interface.result(Interface.evaluation)
        case .certifiedEvaluation:
            Interface.result(
                .record(["evaluation": Interface.evaluation, "certificate": .blob, "witness": .blob]))
        case .models: .vector(Interface.modelInfo)
        case .uploaders: .vector(.principal)
        case .roles: .vector(.record(["who": .principal, "roles": .vector(Interface.role)]))
        case .settings: Interface.settings
        case .classify, .classifyUpdate, .classifyComposite: Interface.result(Interface.answer)
        case .classifyBatch: Interface.result(Interface.batchAnswer)
        case .logits: Interface.result(Interface.scores(.vector(.vector(.int32))))
        case .logitsRaw: Interface.result(Interface.scores(.blob))
        case .httpRequest: Interface.webResponse
        case .httpStream: Interface.streamPiece
        case .version: .record(["canister": .text, "layout": .nat32])
        }
    }
}

/// Who may call a method.
enum Access {
    /// `readers` are everyone unless the settings say otherwise; uploaders may what trainers may.
    case everyone, readers, uploaders, trainers, controllers
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
            "out_of_memory": .null, "quota_exceeded": .record(["limit": .nat64, "found": .nat64]),
            "rate_limited": .record(["retry_after_seconds": .nat64]),
            "in_progress": .record(["done": .nat64, "total": .nat64]),
            "too_expensive": .record([
                "instructions": .nat64, "instruction_limit": .nat64, "stable_bytes": .nat64,
                "stable_byte_limit": .nat64, "instead": .text,
            ]),
        ])
    }

    static func result(_ ok: CandidType) -> CandidType { .variant(["ok": ok, "err": error]) }

    static var manifest: CandidType {
        .record([
            "size": .nat64, "sha256": .blob, "chunk_bytes": .nat32, "chunk_sha256": .vector(.blob),
            "merkle_root": .optional(.blob),
        ])
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

    static var batchAnswer: CandidType {
        .record([
            "answers": .vector(result(.vector(label))), "model_version": .nat64, "model_sha256": .blob,
            "instructions": .nat64,
        ])
    }

    static var evaluation: CandidType {
        .record([
            "model_sha256": .blob, "data_sha256": .blob, "images": .nat64, "done": .nat64,
            "correct": .nat64, "confusion": .vector(.nat32), "instructions": .nat64,
        ])
    }

    static var role: CandidType { .variant(["uploader": .null, "trainer": .null, "reader": .null]) }

    static var settings: CandidType {
        .record([
            "versions_kept": .nat32, "upload_quota_bytes": .optional(.nat64), "readers_only": .bool,
            "updates_per_minute": .optional(.nat32),
        ])
    }

    static var webHeaders: CandidType { .vector(.tuple([.text, .text])) }

    static var webRequest: CandidType {
        .record([
            "method": .text, "url": .text, "headers": webHeaders, "body": .blob,
            "certificate_version": .optional(.nat16),
        ])
    }

    static var streamToken: CandidType { .record(["sha256": .blob, "offset": .nat64]) }
    static var streamPiece: CandidType { .record(["body": .blob, "token": .optional(streamToken)]) }

    static var webResponse: CandidType {
        let callback = CandidType.function(
            CandidFunction(arguments: [streamToken], results: [streamPiece], annotation: .query))
        return .record([
            "status_code": .nat16, "headers": webHeaders, "body": .blob,
            "streaming_strategy": .optional(
                .variant(["Callback": .record(["callback": callback, "token": streamToken])])),
        ])
    }

    static func scores(_ logits: CandidType) -> CandidType {
        .record(["logits": logits, "model_sha256": .blob, "instructions": .nat64])
    }
}
