import Candid
import Digests

/// Status and headers of an answer to a web request, and what certifies it together with a body
/// (HTTP gateway protocol, "Response verification", version 2).
struct WebResponse {
    struct Header {
        let name: StaticString
        let value: StaticString
    }

    let status: UInt16
    private(set) var headers: [Header]

    init(_ status: UInt16, contentType: StaticString) {
        self.status = status
        headers = [
            Header(name: "content-type", value: contentType),
            Header(name: "cache-control", value: "no-cache"),
            Header(name: "x-content-type-options", value: "nosniff"),
        ]
    }

    /// The header must be one that `expression` lists: others would not be certified.
    mutating func add(_ name: StaticString, _ value: StaticString) {
        headers.append(Header(name: name, value: value))
    }

    /// An answer whose body says why there is no other.
    static func text(_ status: UInt16) -> WebResponse {
        WebResponse(status, contentType: "text/plain; charset=utf-8")
    }

    /// What of a response is certified: status, body and these headers. The request is not: an answer depends
    /// on its path alone, which the place in the tree tells.
    static var expression: StaticString {
        """
        default_certification(ValidationArgs{certification:Certification{no_request_certification:Empty{},\
        response_certification:ResponseCertification{certified_response_headers:ResponseHeaderList{headers:[\
        "content-type","content-encoding","cache-control","content-security-policy","x-content-type-options",\
        "referrer-policy"]}}}})
        """
    }

    static var expressionHeader: StaticString { "IC-CertificateExpression" }

    /// The hash under which the tree lists this response with a body of the given SHA-256.
    func certifiedHash(body sha256: [UInt8]) -> [UInt8] {
        var fields: [[UInt8]] = []
        for header in headers {
            fields.insertInOrder(Self.field(bytes(of: header.name), bytes(of: header.value)))
        }
        fields.insertInOrder(Self.field(bytes(of: "ic-certificateexpression"), bytes(of: Self.expression)))
        fields.insertInOrder(Self.field(bytes(of: ":ic-cert-status"), CertifiedTree.natural(UInt64(status))))
        var all: [UInt8] = []
        for field in fields { all += field }
        return SHA256.hash(SHA256.hash(all) + sha256)
    }

    private static func field(_ name: [UInt8], _ value: [UInt8]) -> [UInt8] {
        SHA256.hash(name) + SHA256.hash(value)
    }

    /// An `HttpResponse` of classifier.did.
    ///
    /// - Parameters:
    ///   - proof: value of the header `IC-Certificate`, if there is a certificate.
    ///   - rest: how the body goes on, if this is not all of it.
    func value(body: [UInt8], proof: [UInt8]?, rest: CandidValue?) -> CandidValue {
        var list: [CandidValue] = []
        for header in headers { list.append(Self.pair(header.name, bytes(of: header.value))) }
        list.append(Self.pair(Self.expressionHeader, bytes(of: Self.expression)))
        if let proof { list.append(Self.pair("IC-Certificate", proof)) }
        return .record([
            "status_code": .nat16(status), "headers": .vector(list), "body": .blob(body),
            "streaming_strategy": .optional(rest),
        ])
    }

    private static func pair(_ name: StaticString, _ value: [UInt8]) -> CandidValue {
        .tuple([.text(bytes(of: name)), .text(value)])
    }
}

extension [[UInt8]] {
    /// Puts a text at its place among others that are in order.
    ///
    /// The lists here are short, and the code of a general sort is long.
    @discardableResult
    mutating func insertInOrder(_ text: [UInt8]) -> Int {
        var place = count
        while place > 0, text.lexicographicallyPrecedes(self[place - 1]) { place -= 1 }
        insert(text, at: place)
        return place
    }
}
