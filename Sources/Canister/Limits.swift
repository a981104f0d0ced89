/// What one canister holds and one message may ask for.
public enum Limits {
    /// Bytes of one model file. A file is hashed, read and packed within one message: about 60 instructions a
    /// byte, far below the 40 billion of an update, and a heap of three times the file, below 4 GiB.
    public static let modelBytes: UInt64 = 128 << 20
    /// Bytes of one chunk.
    public static let chunkBytes = 1 << 20
    /// Chunks of one file.
    public static let chunks = 16_384
    /// Uploads under way at the same time.
    public static let uploads = 8
    /// Versions kept, the active one among them.
    public static let versions = 4
    /// Principals that may upload besides the controllers.
    public static let uploaders = 256
    /// Bytes of an argument of a method that takes pictures: what the network lets through to a canister.
    public static let messageBytes = 2 << 20
    /// Bytes of logits in one answer, which the network bounds by 2 MiB with everything around them.
    public static let logitBytes = 1_900_000
    /// Instructions after which a batch stops; a query may use 5 billion.
    public static let batchInstructions: UInt64 = 4_500_000_000
    /// Labels in an answer when the question does not say how many.
    public static let defaultTop = 5
}
