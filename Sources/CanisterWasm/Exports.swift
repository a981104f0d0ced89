#if arch(wasm32)
    import Canister
    import IC0

    // The entry points of the module, and nothing else: their names are what the network calls.

    // A canister runs one message at a time.
    nonisolated(unsafe) private let classifier = Classifier(system: WasmSystem(), assets: pageAssets())

    @_expose(wasm, "canister_init")
    @_cdecl("canister_init")
    public func initialize() {
        start { () throws(StableStoreError) in try classifier.install() }
    }

    @_expose(wasm, "canister_post_upgrade")
    @_cdecl("canister_post_upgrade")
    public func postUpgrade() {
        start { () throws(StableStoreError) in try classifier.restore() }
    }

    /// Stable memory that this version cannot take over stops the installation: the former state stays as it is.
    private func start(_ body: () throws(StableStoreError) -> Void) {
        do throws(StableStoreError) {
            try body()
        } catch {
            WasmSystem().trap(error.message)
        }
    }

    @_expose(wasm, "canister_inspect_message")
    @_cdecl("canister_inspect_message")
    public func inspectMessage() { classifier.inspect() }

    @_expose(wasm, "canister_update begin_upload")
    @_cdecl("canister_update begin_upload")
    public func beginUpload() { classifier.handle(.beginUpload) }

    @_expose(wasm, "canister_update put_chunk")
    @_cdecl("canister_update put_chunk")
    public func putChunk() { classifier.handle(.putChunk) }

    @_expose(wasm, "canister_query missing_chunks")
    @_cdecl("canister_query missing_chunks")
    public func missingChunks() { classifier.handle(.missingChunks) }

    @_expose(wasm, "canister_update abort_upload")
    @_cdecl("canister_update abort_upload")
    public func abortUpload() { classifier.handle(.abortUpload) }

    @_expose(wasm, "canister_query download_chunk")
    @_cdecl("canister_query download_chunk")
    public func downloadChunk() { classifier.handle(.downloadChunk) }

    @_expose(wasm, "canister_update activate")
    @_cdecl("canister_update activate")
    public func activate() { classifier.handle(.activate) }

    @_expose(wasm, "canister_update rollback")
    @_cdecl("canister_update rollback")
    public func rollback() { classifier.handle(.rollback) }

    @_expose(wasm, "canister_update delete_version")
    @_cdecl("canister_update delete_version")
    public func deleteVersion() { classifier.handle(.deleteVersion) }

    @_expose(wasm, "canister_query models")
    @_cdecl("canister_query models")
    public func models() { classifier.handle(.models) }

    @_expose(wasm, "canister_query model_info")
    @_cdecl("canister_query model_info")
    public func modelInfo() { classifier.handle(.modelInfo) }

    @_expose(wasm, "canister_query certified_model")
    @_cdecl("canister_query certified_model")
    public func certifiedModel() { classifier.handle(.certifiedModel) }

    @_expose(wasm, "canister_update evaluate")
    @_cdecl("canister_update evaluate")
    public func evaluate() { classifier.handle(.evaluate) }

    @_expose(wasm, "canister_query certified_evaluation")
    @_cdecl("canister_query certified_evaluation")
    public func certifiedEvaluation() { classifier.handle(.certifiedEvaluation) }

    @_expose(wasm, "canister_update grant_uploader")
    @_cdecl("canister_update grant_uploader")
    public func grantUploader() { classifier.handle(.grantUploader) }

    @_expose(wasm, "canister_update revoke_uploader")
    @_cdecl("canister_update revoke_uploader")
    public func revokeUploader() { classifier.handle(.revokeUploader) }

    @_expose(wasm, "canister_query uploaders")
    @_cdecl("canister_query uploaders")
    public func uploaders() { classifier.handle(.uploaders) }

    @_expose(wasm, "canister_update grant_role")
    @_cdecl("canister_update grant_role")
    public func grantRole() { classifier.handle(.grantRole) }

    @_expose(wasm, "canister_update revoke_role")
    @_cdecl("canister_update revoke_role")
    public func revokeRole() { classifier.handle(.revokeRole) }

    @_expose(wasm, "canister_query roles")
    @_cdecl("canister_query roles")
    public func roles() { classifier.handle(.roles) }

    @_expose(wasm, "canister_update configure")
    @_cdecl("canister_update configure")
    public func configure() { classifier.handle(.configure) }

    @_expose(wasm, "canister_query settings")
    @_cdecl("canister_query settings")
    public func settings() { classifier.handle(.settings) }

    @_expose(wasm, "canister_query classify")
    @_cdecl("canister_query classify")
    public func classify() { classifier.handle(.classify) }

    @_expose(wasm, "canister_update classify_update")
    @_cdecl("canister_update classify_update")
    public func classifyUpdate() { classifier.handle(.classifyUpdate) }

    @_expose(wasm, "canister_composite_query classify_composite")
    @_cdecl("canister_composite_query classify_composite")
    public func classifyComposite() { classifier.handle(.classifyComposite) }

    @_expose(wasm, "canister_query classify_batch")
    @_cdecl("canister_query classify_batch")
    public func classifyBatch() { classifier.handle(.classifyBatch) }

    @_expose(wasm, "canister_query logits")
    @_cdecl("canister_query logits")
    public func logits() { classifier.handle(.logits) }

    @_expose(wasm, "canister_query logits_raw")
    @_cdecl("canister_query logits_raw")
    public func logitsRaw() { classifier.handle(.logitsRaw) }

    @_expose(wasm, "canister_query http_request")
    @_cdecl("canister_query http_request")
    public func httpRequest() { classifier.handle(.httpRequest) }

    @_expose(wasm, "canister_query http_stream")
    @_cdecl("canister_query http_stream")
    public func httpStream() { classifier.handle(.httpStream) }

    @_expose(wasm, "canister_query version")
    @_cdecl("canister_query version")
    public func version() { classifier.handle(.version) }
#endif
