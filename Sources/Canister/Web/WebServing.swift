import Candid
import Digests
import IC0

extension Classifier {
    /// Answers a web request: a file of the page, the active model file, or that there is nothing.
    ///
    /// Methods and headers make no difference, and nothing is ever changed.
    func httpRequest(_ request: CandidValue) -> CandidValue {
        let url = request["url"]?.asBytes ?? []
        let path = [UInt8](url.prefix { $0 != 0x3f && $0 != 0x23 })
        let active = store.directory.model(version: store.directory.activeVersion)
        guard path == WebSite.modelPath, let active else { return value(of: site.answer(path)) }
        guard isAllowed(.readers) else { return value(of: site.refusal) }
        let first = piece(of: active, from: 0)
        let answer = WebSite.Answer(response: WebSite.model, body: first.bytes, place: WebSite.modelPlace)
        return value(of: answer, rest: first.next.map { following($0) })
    }

    /// The next piece of a model file whose download has begun; an end without bytes when that file is gone.
    func httpStream(_ token: CandidValue) -> CandidValue {
        var piece: (bytes: [UInt8], next: CandidValue?) = ([], nil)
        if isAllowed(.readers), let sha256 = token["sha256"]?.asBytes,
            let stored = store.directory.model(sha256: sha256), let offset = token["offset"]?.asUInt64
        {
            piece = self.piece(of: stored, from: offset)
        }
        return .record(["body": .blob(piece.bytes), "token": .optional(piece.next)])
    }

    /// As much of a file as one answer may have, and the token for what follows.
    private func piece(of model: StoredModel, from offset: UInt64) -> (bytes: [UInt8], next: CandidValue?) {
        guard offset < model.size else { return ([], nil) }
        let count = min(UInt64(Limits.answerBytes), model.size - offset)
        let bytes = system.stableRead(at: model.file.offset + offset, count: Int(count))
        guard offset + count < model.size else { return (bytes, nil) }
        return (bytes, .record(["sha256": .blob(model.sha256), "offset": .nat64(offset + count)]))
    }

    private func following(_ token: CandidValue) -> CandidValue {
        let callback = CandidValue.function(system.canisterSelf(), bytes(of: Method.httpStream.name))
        return .variant("Callback", .record(["callback": callback, "token": token]))
    }

    /// The answer with its proof, if this message carries the subnet's certificate.
    private func value(of answer: WebSite.Answer, rest: CandidValue? = nil) -> CandidValue {
        answer.response.value(
            body: answer.body, proof: system.dataCertificate().map { proof($0, answer.place) }, rest: rest)
    }

    /// The value of the header `IC-Certificate`.
    ///
    /// All addresses are shown: what is not among them is then known not to exist, and they are few.
    private func proof(_ certificate: [UInt8], _ place: [[UInt8]]) -> [UInt8] {
        var path: [UInt8] = [0xd9, 0xd9, 0xf7, 0x80 | UInt8(1 + place.count)]
        for label in [Self.webLabel] + place { path += [0x60 | UInt8(label.count)] + label }
        var value = bytes(of: "certificate=:") + Base64.encode(certificate)
        value += bytes(of: ":, tree=:") + Base64.encode(certified.revealing(Self.webLabel).encoded)
        value += bytes(of: ":, expr_path=:") + Base64.encode(path)
        return value + bytes(of: ":, version=2")
    }

    static var webLabel: [UInt8] { bytes(of: "http_expr") }
}
