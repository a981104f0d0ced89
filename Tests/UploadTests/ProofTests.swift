import InternetComputer
import Testing
import Upload

@Suite struct ProofTests {
    private let canister: Principal
    private let key: BLS12381.SecretKey
    private let tree: HashTree

    init() throws {
        canister = try Principal(bytes: [3, 1])
        key = try BLS12381.SecretKey(bytes: [UInt8](repeating: 0, count: 31) + [7])
        func leaf(_ label: String, _ value: [UInt8]) -> HashTree {
            .labeled(Array(label.utf8), .leaf(value))
        }
        tree = .level([
            .labeled(Array("evaluation".utf8), .pruned([UInt8](repeating: 1, count: 32))),
            .labeled(
                Array("model".utf8),
                .level([leaf("sha256", [1, 2]), leaf("version", CertifiedFacts.natural(300))])),
        ])
    }

    private func facts(
        _ witness: HashTree, certified: [UInt8]? = nil, of owner: Principal? = nil
    ) throws -> CertifiedFacts {
        let state = HashTree.level([
            .labeled(
                Array("canister".utf8),
                .labeled(
                    (owner ?? canister).bytes,
                    .labeled(Array("certified_data".utf8), .leaf(certified ?? tree.digest)))),
            .labeled(Array("time".utf8), .leaf(CertifiedFacts.natural(1_000_000_000))),
        ])
        return try CertifiedFacts(
            certificate: Certificate(signing: state, with: key).encoded(),
            witness: witness.cbor.encoded(selfDescribed: true), canister: canister,
            rootKey: key.publicKey.der, freshness: nil)
    }

    @Test func factsAreThoseOfTheWitness() throws {
        let facts = try facts(tree)
        #expect(facts.time == 1_000_000_000)
        try facts.check("model", "version", [0xac, 0x02], "version")
        #expect(throws: ProofError.otherFact("hash")) { try facts.check("model", "sha256", [1, 3], "hash") }
        // What is pruned is not proven.
        #expect(throws: ProofError.otherFact("images")) {
            try facts.check("evaluation", "images", [1], "images")
        }
    }

    @Test func anotherRootOrCanisterProvesNothing() throws {
        #expect(throws: ProofError.otherRoot) { try facts(tree, certified: [UInt8](repeating: 0, count: 32)) }
        #expect(throws: ProofError.otherRoot) { try facts(.leaf([1])) }
        #expect(throws: ProofError.otherRoot) { try facts(tree, of: Principal(bytes: [4, 1])) }
    }
}
