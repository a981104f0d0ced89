import Digests
import Foundation

/// Everything needed to continue a run with the same bits: weights, optimizer state and position.
public struct Checkpoint: Equatable, Sendable {
    /// What is said about the weights, stored as JSON in front of them.
    public struct Header: Equatable, Sendable, Codable {
        public var toolkitVersion: String
        /// The network in one line, compared on reading.
        public var network: String
        /// Hexadecimal content hash of the data set.
        public var datasetHash: String
        public var seed: UInt64
        /// Epochs finished.
        public var epoch: Int
        /// Steps done in the epoch under way.
        public var step: Int
        /// Sum of the losses of the epoch under way, one per step, in step order.
        public var lossSum: Double
        /// Correct answers of the epoch under way.
        public var correct: Int
        public var bestEpoch: Int
        public var bestCorrect: Int

        public init(
            toolkitVersion: String, network: String, datasetHash: String, seed: UInt64, epoch: Int, step: Int,
            lossSum: Double, correct: Int, bestEpoch: Int, bestCorrect: Int
        ) {
            self.toolkitVersion = toolkitVersion
            self.network = network
            self.datasetHash = datasetHash
            self.seed = seed
            self.epoch = epoch
            self.step = step
            self.lossSum = lossSum
            self.correct = correct
            self.bestEpoch = bestEpoch
            self.bestCorrect = bestCorrect
        }
    }

    public var header: Header
    public var parameters: [[Float]]
    public var optimizerState: [[Float]]

    public init(header: Header, parameters: [[Float]], optimizerState: [[Float]]) {
        self.header = header
        self.parameters = parameters
        self.optimizerState = optimizerState
    }

    static let magic = Array("DEAICKPT".utf8)
    static let formatVersion = 1

    /// The bytes of the file: magic, version, header, tensors, SHA-256 of all that. Integers are little-endian.
    public func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = [UInt8](try encoder.encode(header))
        var bytes = Checkpoint.magic
        Checkpoint.append(UInt32(Checkpoint.formatVersion), to: &bytes)
        Checkpoint.append(UInt32(json.count), to: &bytes)
        bytes += json
        Checkpoint.append(UInt32(parameters.count), to: &bytes)
        Checkpoint.append(UInt32(optimizerState.count), to: &bytes)
        for tensor in parameters + optimizerState {
            Checkpoint.append(UInt64(tensor.count), to: &bytes)
            for value in tensor { Checkpoint.append(value.bitPattern, to: &bytes) }
        }
        return bytes + SHA256.hash(bytes)
    }

    /// Reads what `encoded` made; `file` is for the error texts.
    public init(_ bytes: [UInt8], file: String) throws(RunError) {
        var reader = Reader(bytes: bytes, file: file)
        guard try reader.take(8, "the magic number") == Checkpoint.magic[...] else {
            throw .damaged(file: file, offset: 0, reason: "this is not a checkpoint")
        }
        let version = Int(try reader.integer(4, "the version"))
        guard version == Checkpoint.formatVersion else {
            throw .version(file: file, found: version, supported: Checkpoint.formatVersion)
        }
        guard bytes.count >= 12 + 32 else {
            throw .damaged(file: file, offset: bytes.count, reason: "the file is truncated")
        }
        // The hash first: past this point the bytes are those that were written, or somebody's fabrication.
        let end = bytes.count - 32
        guard SHA256.hash(Array(bytes[..<end])) == Array(bytes[end...]) else {
            throw .damaged(
                file: file, offset: end,
                reason: "the SHA-256 at its end does not match; it is truncated or was changed")
        }
        reader.end = end
        let jsonBytes = Int(try reader.integer(4, "the header length"))
        let headerOffset = reader.offset
        let json = try reader.take(jsonBytes, "the header")
        guard let header = try? JSONDecoder().decode(Header.self, from: Data(json)) else {
            throw .damaged(
                file: file, offset: headerOffset, reason: "the header does not have the expected fields")
        }
        let parameterCount = Int(try reader.integer(4, "the number of parameters"))
        let stateCount = Int(try reader.integer(4, "the number of optimizer tensors"))
        var tensors: [[Float]] = []
        for _ in 0..<(parameterCount + stateCount) {
            let count = try reader.integer(8, "the size of a tensor")
            guard count <= UInt64(reader.end - reader.offset) / 4 else {
                throw .damaged(file: file, offset: reader.offset - 8, reason: "\(count) values cannot fit")
            }
            let data = try reader.take(4 * Int(count), "a tensor")
            tensors.append(Checkpoint.floats(data))
        }
        guard reader.offset == end else {
            throw .damaged(file: file, offset: reader.offset, reason: "bytes follow the last tensor")
        }
        self.header = header
        parameters = Array(tensors[..<parameterCount])
        optimizerState = Array(tensors[parameterCount...])
    }

    private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func floats(_ bytes: ArraySlice<UInt8>) -> [Float] {
        bytes.withUnsafeBytes { raw in
            (0..<(raw.count / 4)).map {
                Float(
                    bitPattern: UInt32(
                        littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
            }
        }
    }

    /// Walks through the bytes with the offset for errors.
    private struct Reader {
        let bytes: [UInt8]
        let file: String
        var offset = 0
        var end: Int

        init(bytes: [UInt8], file: String) {
            self.bytes = bytes
            self.file = file
            end = bytes.count
        }

        mutating func take(_ count: Int, _ what: String) throws(RunError) -> ArraySlice<UInt8> {
            guard count <= end - offset else {
                throw .damaged(file: file, offset: end, reason: "the file ends before \(what)")
            }
            defer { offset += count }
            return bytes[offset..<(offset + count)]
        }

        mutating func integer(_ count: Int, _ what: String) throws(RunError) -> UInt64 {
            try take(count, what).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}
