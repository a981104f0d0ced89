import Digests

/// The .deai file: reads, validates and writes `QuantizedModel`s; specified in docs/format.md.
public enum ModelFile {
    /// The model in `bytes`, after every count, hash and range has been checked.
    public static func read(_ bytes: [UInt8]) throws(ModelFileError) -> QuantizedModel {
        try ModelFileReader.model(bytes)
    }

    /// The one byte sequence that stands for `model`.
    public static func write(_ model: QuantizedModel) -> [UInt8] {
        ModelFileWriter.file(model)
    }

    /// SHA-256 of the whole file, which names the model in the canister and in receipts.
    public static func contentHash(_ bytes: [UInt8]) -> [UInt8] {
        SHA256.hash(bytes)
    }
}
