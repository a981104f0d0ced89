/// The root over the hashes of a file's chunks, which names the file and its division into chunks.
///
/// As in RFC 6962, section 2.1, with the chunks' SHA-256 as the data of the leaves: a leaf is
/// SHA-256(0x00 ‖ chunk hash), a node SHA-256(0x01 ‖ left ‖ right), and the left branch of n leaves takes the largest
/// power of two below n.
public enum MerkleTree {
    /// 32 bytes; for no leaf at all the SHA-256 of nothing.
    public static func root(ofChunkHashes hashes: [[UInt8]]) -> [UInt8] {
        // Complete subtrees of falling size, as in a binary counter.
        var subtrees: [[UInt8]] = []
        for index in hashes.indices {
            var node = SHA256.hash([0] + hashes[index])
            var count = index
            while count & 1 == 1, let left = subtrees.popLast() {
                node = SHA256.hash([1] + left + node)
                count >>= 1
            }
            subtrees.append(node)
        }
        guard var root = subtrees.popLast() else { return SHA256.hash([]) }
        while let left = subtrees.popLast() { root = SHA256.hash([1] + left + root) }
        return root
    }
}
