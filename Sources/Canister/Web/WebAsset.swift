/// A file of the page that `http_request` serves, as it goes over the wire.
public struct WebAsset {
    /// `/` or `/name`: the page has no folders.
    public let path: [UInt8]
    public let contentType: StaticString
    /// Whether the body is compressed; it is certified, and sent, as it is.
    public let isGzipped: Bool
    public let body: [UInt8]

    public init(path: StaticString, contentType: StaticString, isGzipped: Bool, body: [UInt8]) {
        self.path = bytes(of: path)
        self.contentType = contentType
        self.isGzipped = isGzipped
        self.body = body
    }

    /// Nothing is loaded from elsewhere, nothing inline runs, nobody frames the page; WebAssembly may be compiled.
    static var policy: StaticString {
        """
        default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; \
        connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        """
    }

    var response: WebResponse {
        var response = WebResponse(200, contentType: contentType)
        if isGzipped { response.add("content-encoding", "gzip") }
        response.add("content-security-policy", Self.policy)
        // A gateway that takes the canister from the page's address needs to see that address.
        response.add("referrer-policy", "same-origin")
        return response
    }
}
