/// The IDX format of MNIST and its relatives: a magic number, big-endian sizes, then the elements.
///
/// Only unsigned bytes (type 0x08) are read: images have three sizes (count, height, width) or four
/// (… channels last), labels one. Source: the format note on the MNIST page by LeCun, Cortes and Burges.
public struct IDX: Equatable, Sendable {
    /// The sizes of the header, slowest first.
    public let sizes: [Int]
    public let elements: [UInt8]

    /// Reads plain or gzip-compressed IDX bytes.
    ///
    /// Sizes are checked against the bytes that are there before anything is allocated; missing and
    /// surplus bytes are errors. Offsets count bytes of the file as it is on disk, except behind a
    /// gzip stream, where the reason says that they count uncompressed bytes.
    public init(_ bytes: [UInt8]) throws(DataFormatError) {
        guard Gzip.isGzip(bytes) else {
            let header = try Header(bytes, available: bytes.count, exact: true)
            sizes = header.sizes
            elements = Array(bytes[header.byteCount...])
            return
        }
        let prefix = try Gzip.prefix(bytes, count: Header.maximumBytes)
        let header: Header
        do {
            header = try Header(
                prefix, available: Gzip.maximumInflatedBytes(of: bytes.count), exact: false)
        } catch {
            throw DataFormatError(
                offset: error.offset, reason: error.reason + " (counted in the uncompressed data)")
        }
        let total = header.byteCount + header.elementCount
        let content = try Gzip.inflate(bytes, limit: total)
        guard content.count == total else {
            throw DataFormatError(
                offset: bytes.count,
                reason: "the header promises \(total) bytes, the gzip stream holds \(content.count)")
        }
        sizes = header.sizes
        elements = Array(content[header.byteCount...])
    }

    /// The sizes alone, from the first bytes of a file: what a listing needs.
    public static func sizes(prefixOf bytes: [UInt8]) throws(DataFormatError) -> [Int] {
        let prefix = Gzip.isGzip(bytes) ? try Gzip.prefix(bytes, count: Header.maximumBytes) : bytes
        return try Header(prefix, available: Int.max, exact: false).sizes
    }

    /// The bytes before the elements.
    struct Header {
        static let maximumBytes = 4 + 4 * 4
        let sizes: [Int]
        let elementCount: Int
        var byteCount: Int { 4 + 4 * sizes.count }

        init(_ bytes: [UInt8], available: Int, exact: Bool) throws(DataFormatError) {
            guard bytes.count >= 4 else {
                throw DataFormatError(
                    offset: bytes.count, reason: "too short for the four bytes of an IDX header")
            }
            guard bytes[0] == 0, bytes[1] == 0 else {
                throw DataFormatError(
                    offset: 0, reason: "not an IDX file: it does not begin with two zero bytes")
            }
            guard bytes[2] == 0x08 else {
                throw DataFormatError(
                    offset: 2, reason: "elements of type \(bytes[2]); only unsigned bytes (8) are supported")
            }
            let rank = Int(bytes[3])
            guard (1...4).contains(rank) else {
                throw DataFormatError(offset: 3, reason: "\(rank) dimensions; expected 1 to 4")
            }
            guard bytes.count >= 4 + 4 * rank else {
                throw DataFormatError(offset: bytes.count, reason: "the file ends inside the IDX header")
            }
            var sizes: [Int] = []
            var product = 1
            for index in 0..<rank {
                let at = 4 + 4 * index
                let size = bytes[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) }
                let (next, overflow) = product.multipliedReportingOverflow(by: size)
                guard !overflow, next <= available else {
                    throw DataFormatError(
                        offset: at, reason: "size \(size) asks for more elements than the file can hold")
                }
                sizes.append(size)
                product = next
            }
            self.sizes = sizes
            elementCount = product
            guard exact else { return }
            let total = byteCount + product
            if bytes.count < total {
                throw DataFormatError(
                    offset: bytes.count, reason: "the file is truncated: the header promises \(total) bytes")
            }
            if bytes.count > total {
                throw DataFormatError(
                    offset: total, reason: "\(bytes.count - total) bytes follow the last element")
            }
        }
    }
}
