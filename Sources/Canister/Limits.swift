/// What one canister holds and one message may ask for.
public enum Limits {
    /// Bytes of a model file that is served: it is read and packed within one message of 40 billion instructions.
    public static let modelBytes: UInt64 = 96 << 20
    /// Bytes of any uploaded file: hashing takes as many messages as are needed.
    public static let fileBytes = UInt64(chunks) * UInt64(chunkBytes)
    /// Instructions after which a message that can be continued stops; an update may use 40 billion.
    public static let sliceInstructions: UInt64 = 20_000_000_000
    /// Bytes of one chunk.
    public static let chunkBytes = 1 << 20
    /// Chunks of one file.
    public static let chunks = 16_384
    /// Uploads under way at the same time.
    public static let uploads = 8
    /// Versions that can be kept, the active one among them; the setting begins with 4.
    public static let versions: UInt32 = 64
    /// Principals with the same role.
    public static let membersOfARole = 256
    /// Callers whose rate is known at the same time.
    public static let ratedCallers = 1_024
    /// Bytes of an argument of a method that takes pictures: what the network lets through to a canister.
    public static let messageBytes = 2 << 20
    /// Bytes of all answers of a batch, which the network bounds by 2 MiB with everything around them.
    public static let answerBytes = 1_900_000
    /// Instructions after which a batch stops; a query may use 5 billion.
    public static let batchInstructions: UInt64 = 4_500_000_000
    /// Labels in an answer when the question does not say how many.
    public static let defaultTop = 5
}
