/// What one canister holds and one message may ask for.
public enum Limits {
    /// Bytes of any uploaded file: hashing takes as many messages as are needed.
    public static let fileBytes = UInt64(chunks) * UInt64(chunkBytes)
    /// Instructions after which a message that can be continued stops; an update may use 40 billion.
    public static let sliceInstructions: UInt64 = 20_000_000_000
    /// Instructions of one piece of inference that cannot be divided, a convolution.
    public static let stepInstructions: UInt64 = 15_000_000_000
    /// Classifications over several messages at the same time.
    public static let runs = 8
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

/// What one message may be expected to do; tests make it small.
public struct Budgets: Sendable {
    /// Bytes of a model that is packed in memory, its file and its decoded weights each: within one message of
    /// 40 billion instructions. The weights of a larger one stay in stable memory.
    public var residentBytes: UInt64 = 96 << 20
    /// Weights that have to be in memory together while a model stays in stable memory: those of a convolution, or of
    /// a layer whose weights are entropy-coded.
    public var layerWeights = 64 << 20
    /// Entropy-coded weights of one model, which take up to 64 times the bytes that were uploaded.
    public var codedWeights: UInt64 = 4_000_000_000
    /// What a query may be expected to use; the network allows 5 billion and 1 GiB.
    public var queryInstructions: UInt64 = 4_500_000_000
    public var queryStableBytes: UInt64 = 960 << 20
    /// Bytes of stable memory that a message which can be continued reads; the network allows 2 GiB.
    public var sliceStableBytes: UInt64 = 3 << 29

    public init() {}
}
