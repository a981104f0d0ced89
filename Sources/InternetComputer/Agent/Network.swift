import Foundation

/// Where requests go and whose signature counts there.
public struct Network: Sendable, Equatable {
    /// How the agent comes to the key under which it verifies certificates.
    public enum RootKey: Sendable, Equatable {
        case pinned([UInt8])
        /// Asked of the replica itself: proves nothing, so only for a replica on this machine.
        case fetched
    }

    /// The name under which canister ids are remembered.
    public let name: String
    public let url: String
    public let rootKey: RootKey

    public static let local = Network(name: "local", url: "http://127.0.0.1:4943", rootKey: .fetched)
    public static let mainnet = Network(name: "ic", url: "https://icp-api.io", rootKey: .pinned(mainnetRootKey))

    private init(name: String, url: String, rootKey: RootKey) {
        self.name = name
        self.url = url
        self.rootKey = rootKey
    }

    /// `local`, `ic`, or the URL of a replica. One that is not on this machine is held to mainnet's root key
    /// unless `rootKey` gives another (DER).
    public init(_ text: String, rootKey: [UInt8]? = nil) throws(NetworkError) {
        switch text {
        case "local": self = .local
        case "ic": self = .mainnet
        default:
            guard let components = URLComponents(string: text), let scheme = components.scheme,
                ["http", "https"].contains(scheme), let host = components.host, !host.isEmpty,
                components.query == nil, components.path.isEmpty || components.path == "/"
            else { throw .badURL(text) }
            let url = text.hasSuffix("/") ? String(text.dropLast()) : text
            let key: RootKey
            if let rootKey {
                key = .pinned(rootKey)
            } else {
                key = Self.isLoopback(host) ? .fetched : .pinned(Self.mainnetRootKey)
            }
            self = Network(name: url == Self.local.url ? "local" : url, url: url, rootKey: key)
        }
    }

    /// Whether a host name can only mean this machine.
    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host.hasSuffix(".localhost") || host == "::1" || host == "[::1]"
            || isLoopbackAddress(host)
    }

    private static func isLoopbackAddress(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// DER key of the Internet Computer's root subnet tdb26-jop6k-….
    public static let mainnetRootKey: [UInt8] = InternetComputer.bytes(
        hexadecimal: "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100"
            + "814c0e6ec71fab583b08bd81373c255c3c371b2e84863c98a4f1e08b74235d14"
            + "fb5d9c0cd546d9685f913a0c0b2cc5341583bf4b4392e467db96d65b9bb4cb71"
            + "7112f8472e0d5a4d14505ffd7484b01291091c5f87b98883463f98091a0baaae") ?? []
}

/// Why a text names no network.
public enum NetworkError: Error, Equatable, Sendable, CustomStringConvertible {
    case badURL(String)

    public var description: String {
        switch self {
        case .badURL(let text):
            "'\(text)' is no network: use local, ic, or a URL such as http://127.0.0.1:4943"
        }
    }
}
