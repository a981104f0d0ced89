import Digests

/// Everything that `http_request` can answer, with the hashes that certify it.
///
/// The tree has a path for each address, `http_expr/NAME/<$>`, one for all others, `http_expr/<*>`, and under
/// each `SHA-256(expression)`, an empty label (nothing of the request is certified) and the hash of each answer.
struct WebSite {
    /// One address and its one answer.
    private struct Page {
        let path: [UInt8]
        let response: WebResponse
        let body: [UInt8]
        let hash: [UInt8]

        init(path: [UInt8], response: WebResponse, body: [UInt8]) {
            self.path = path
            self.response = response
            self.body = body
            hash = response.certifiedHash(body: SHA256.hash(body))
        }

        /// The label of the page: its path without the slash.
        var name: [UInt8] { [UInt8](path.dropFirst()) }
    }

    private let pages: [Page]
    private let missing: Page
    private let refused: Page
    private let expressionHash: [UInt8]

    init(_ assets: [WebAsset]) {
        pages = assets.map { Page(path: $0.path, response: $0.response, body: $0.body) }
        missing = Page(path: [], response: .text(404), body: bytes(of: "There is nothing at this address.\n"))
        refused = Page(
            path: Self.modelPath, response: .text(403),
            body: bytes(of: "Only readers may download the model of this canister.\n"))
        expressionHash = SHA256.hash(bytes(of: WebResponse.expression))
    }

    /// Where the active model file is.
    static var modelPath: [UInt8] { bytes(of: "/model.deai") }
    static var model: WebResponse { WebResponse(200, contentType: "application/octet-stream") }

    /// An answer, its body, and the place in the tree that certifies it.
    struct Answer {
        let response: WebResponse
        let body: [UInt8]
        /// Labels below `http_expr`.
        let place: [[UInt8]]
    }

    /// The page at a path, or the answer that there is none.
    func answer(_ path: [UInt8]) -> Answer {
        guard let page = pages.first(where: { $0.path == path }) else {
            return Answer(response: missing.response, body: missing.body, place: [Self.others])
        }
        return Answer(response: page.response, body: page.body, place: [page.name, Self.exactly])
    }

    /// The answer to who may not have the model.
    var refusal: Answer {
        Answer(response: refused.response, body: refused.body, place: Self.modelPlace)
    }

    static var modelPlace: [[UInt8]] { [[UInt8](modelPath.dropFirst()), exactly] }

    private static var exactly: [UInt8] { bytes(of: "<$>") }
    private static var others: [UInt8] { bytes(of: "<*>") }

    /// The tree below `http_expr` while a model of this hash is served; nil: none is.
    func tree(modelSHA256: [UInt8]?) -> CertifiedTree {
        var labels: [[UInt8]] = []
        var parts: [CertifiedTree] = []
        func add(_ label: [UInt8], _ tree: CertifiedTree) {
            parts.insert(.labeled(label, tree), at: labels.insertInOrder(label))
        }
        for page in pages { add(page.name, below(Self.exactly, [page.hash])) }
        add(Self.others, answers([missing.hash]))
        if let modelSHA256 {
            let hash = Self.model.certifiedHash(body: modelSHA256)
            add(refused.name, below(Self.exactly, [hash, refused.hash]))
        }
        return .level(parts)
    }

    private func below(_ label: [UInt8], _ hashes: [[UInt8]]) -> CertifiedTree {
        .labeled(label, answers(hashes))
    }

    private func answers(_ hashes: [[UInt8]]) -> CertifiedTree {
        var sorted: [[UInt8]] = []
        for hash in hashes { sorted.insertInOrder(hash) }
        return .labeled(expressionHash, .labeled([], .level(sorted.map { .labeled($0, .leaf([])) })))
    }
}
