import Foundation
import InternetComputer

/// The secrets of a subnet of one node: the BLS key that certifies and the Ed25519 key that signs answers.
public struct ReplicaKeys: Sendable {
    public let subnet: BLS12381.SecretKey
    public let node: Ed25519Identity
    /// The BLS public key, DER.
    public let rootKey: [UInt8]
    /// The principals that the two public keys make.
    public let subnetID: Principal
    public let nodeID: Principal

    public init(subnet: BLS12381.SecretKey, node: Ed25519Identity) {
        self.subnet = subnet
        self.node = node
        rootKey = subnet.publicKey.der
        subnetID = .selfAuthenticating(derPublicKey: rootKey)
        nodeID = node.principal
    }

    /// The keys kept in a state directory, in files of mode 0600; made on first use.
    public static func loadOrCreate(stateDirectory: URL) throws(EmulatorStartError) -> ReplicaKeys {
        let subnetPath = stateDirectory.appendingPathComponent("subnet.key").path
        let nodePath = stateDirectory.appendingPathComponent("node.pem").path
        do {
            let scalar = try secret(at: subnetPath, make: { BLS12381.SecretKey.random().bytes })
            let node = try IdentityFile(path: nodePath).loadOrCreate().identity
            return ReplicaKeys(subnet: try BLS12381.SecretKey(bytes: scalar), node: node)
        } catch { throw .keys("the keys in \(stateDirectory.path) cannot be used: \(error)") }
    }

    private static func secret(at path: String, make: () -> [UInt8]) throws -> [UInt8] {
        if let bytes = try PrivateFile.read(path: path) { return bytes }
        let bytes = make()
        try PrivateFile.create(path: path, contents: bytes)
        return bytes
    }
}

extension ReplicaKeys: Certifier {
    /// The encoded certificate that reveals `paths` of the state, and always its time.
    public func certificate(tree: StateTree, revealing paths: [[[UInt8]]]) -> [UInt8] {
        let revealed = HashedTree(tree).revealing(paths + [[Array("time".utf8)]])
        return Certificate(signing: revealed, with: subnet).encoded()
    }
}
