import InternetComputer
import Testing

/// The example tree of the interface specification: digest, witness and lookups.
struct HashTreeTests {
    static func label(_ text: String) -> [UInt8] { Array(text.utf8) }

    static let example: HashTree = .fork(
        .fork(
            .labeled(
                label("a"),
                .fork(
                    .fork(.labeled(label("x"), .leaf(label("hello"))), .empty),
                    .labeled(label("y"), .leaf(label("world"))))),
            .labeled(label("b"), .leaf(label("good")))),
        .fork(.labeled(label("c"), .empty), .labeled(label("d"), .leaf(label("morning")))))

    static let exampleCBOR =
        "8301830183024161830183018302417882034568656c6c6f810083024179820345776f726c6483024162820344676f6f64"
        + "8301830241638100830241648203476d6f726e696e67"
    static let prunedCBOR =
        "83018301830241618301820458201b4feff9bef8131788b0c9dc6dbad6e81e524249c879e9f10f71ce3749f5a638830241"
        + "79820345776f726c6483024162820458207b32ac0c6ba8ce35ac82c255fc7906f7fc130dab2a090f80fe12f9c2cae83b"
        + "a6830182045820ec8324b8a1f1ac16bd2e806edba78006479c9877fed4eb464a25485465af601d830241648203476d6f"
        + "726e696e67"
    static let root = "eb5c5b2195e62d996b84c9bcc8259d19a83786a2f59e0878cec84c811f669aa0"

    @Test func emptyDigest() {
        #expect(
            hexadecimal(HashTree.empty.digest)
                == "4e3ed35c4e2d1ee89996483fb6260a64cffb6c47dbab216e7930e82f8190d120")
    }

    @Test func exampleDigestAndEncoding() throws {
        #expect(hexadecimal(Self.example.digest) == Self.root)
        #expect(hexadecimal(Self.example.cbor.encoded()) == Self.exampleCBOR)
        let cbor = try CBOR.decode(#require(bytes(hexadecimal: Self.exampleCBOR)))
        #expect(try HashTree(cbor: cbor) == Self.example)
    }

    @Test func witnessIsTheOneOfTheSpecification() {
        let witness = Self.example.revealing([
            [Self.label("a"), Self.label("y")], [Self.label("ax")], [Self.label("d")],
        ])
        #expect(hexadecimal(witness.cbor.encoded()) == Self.prunedCBOR)
        #expect(hexadecimal(witness.digest) == Self.root)
    }

    @Test(arguments: [
        (["a", "a"], HashTree.Lookup.unknown), (["a", "y"], .found(label("world"))), (["aa"], .absent),
        (["ax"], .absent), (["b"], .unknown), (["bb"], .unknown), (["d"], .found(label("morning"))),
        (["e"], .absent), (["a"], .notALeaf), (["d", "x"], .absent), ([], .notALeaf),
    ])
    func lookups(path: [String], expected: HashTree.Lookup) throws {
        let cbor = try CBOR.decode(#require(bytes(hexadecimal: Self.prunedCBOR)))
        #expect(try HashTree(cbor: cbor).lookup(path.map(Self.label)) == expected)
    }

    /// Any witness keeps the digest and answers its paths as the whole tree does.
    @Test func witnessesAgreeWithTheTree() {
        var generator = SeededGenerator(seed: 3)
        for count in [0, 1, 2, 3, 7, 8, 9, 17] {
            let tree = HashTree.level(
                (0..<count).map { .labeled([UInt8($0 * 3 + 1)], .labeled([5], .leaf([UInt8($0)]))) })
            for _ in 0..<40 {
                let paths = (0..<3).map { _ in
                    [[UInt8.random(in: 0...55, using: &generator)], [UInt8.random(in: 4...6, using: &generator)]]
                }
                let witness = tree.revealing(paths)
                #expect(witness.digest == tree.digest)
                #expect(witness.isWellFormed)
                for path in paths { #expect(witness.lookup(path) == tree.lookup(path)) }
            }
        }
    }

    @Test(arguments: ["8101", "820341", "82045820", "8300", "8200", "8105", "00", "83024161", "8204581f"])
    func malformedTreesAreRefused(hex: String) throws {
        let input = try #require(bytes(hexadecimal: hex))
        #expect(throws: (any Error).self) { try HashTree(cbor: CBOR.decode(input)) }
    }

    @Test func orderMatters() {
        let swapped = HashTree.fork(.labeled([2], .leaf([])), .labeled([1], .leaf([])))
        #expect(!swapped.isWellFormed)
        #expect(!HashTree.fork(.labeled([1], .leaf([])), .labeled([1], .leaf([]))).isWellFormed)
        #expect(!HashTree.fork(.labeled([1], .leaf([])), .leaf([])).isWellFormed)
    }
}
