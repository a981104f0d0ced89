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
    public static let mainnetRootKey = RootSubnet.mainnetKey
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
