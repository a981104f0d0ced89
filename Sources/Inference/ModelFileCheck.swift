import Digests
import Kernels

/// Checks the tensors of a stored model in slices: their hash, their values, and the proof that no accumulator and no
/// requantisation leaves its range. What it accepts, `ModelFile.read` accepts.
public struct ModelFileCheck<Storage: ModelStorage> {
    private let outline: ModelOutline
    private let storage: Storage
    private var layer = 0
    /// Rows of the current layer that were read; −1 before its bias and multipliers.
    private var row = -1
    private var bias: [Int32] = []
    private var multipliers: [Float] = []
    private var magnitudes = QS8Magnitudes(outputs: 0)
    /// Index of the section being hashed: the tensors, then those that a newer version may have added.
    private var section = 3
    private var position: UInt64
    private var hasher = SHA256()

    public init(_ outline: ModelOutline, _ storage: Storage) {
        self.outline = outline
        self.storage = storage
        position = outline.header.sections[3].offset
    }

    /// Bytes of the file that have been checked, those before the tensors included.
    public var done: UInt64 { position }

    /// Reads about a megabyte more; true once everything has been checked.
    public mutating func advance() throws(ModelFileError) -> Bool {
        while layer < outline.layers.count, outline.places[layer] == nil { layer += 1 }
        if layer < outline.layers.count, let place = outline.places[layer] {
            try read(place)
            return false
        }
        return try hashRest()
    }

    private mutating func read(_ place: TensorPlace) throws(ModelFileError) {
        if row < 0 {
            let numbers = try LayerNumbers(take(place.headBytes), outputs: place.outputs, at: place.offset)
            bias = numbers.bias
            multipliers = numbers.multipliers
            magnitudes = QS8Magnitudes(outputs: place.outputs)
            row = 0
        }
        let rows = place.rows
        if place.isEntropyCoded {
            let weights = try place.decoded(take(place.length))
            weights.withUnsafeBufferPointer { if let base = $0.baseAddress { magnitudes.add(base, rows: rows) } }
            row = rows
        } else {
            let more = min(rows - row, place.rowsOfBlock)
            let bytes = take(more * place.outputs)
            bytes.withUnsafeBytes { raw in
                if let base = raw.bindMemory(to: Int8.self).baseAddress { magnitudes.add(base, rows: more) }
            }
            row += more
        }
        guard row == rows else { return }
        do throws(QuantizedModelError) {
            _ = try rules.checkRanges(magnitudes, bias: bias, multipliers: multipliers)
        } catch {
            throw outline.located(error)
        }
        layer += 1
        row = -1
    }

    private var rules: LayerRules {
        LayerRules(
            layer: layer, isLast: layer == outline.layers.count - 1, input: outline.plan[layer].input,
            bound: layer == 0 ? outline.input.bound : outline.plan[layer - 1].outputBound, earlier: [])
    }

    /// The next bytes of the section, hashed.
    private mutating func take(_ count: Int) -> [UInt8] {
        let bytes = storage.bytes(at: position, count: count)
        hasher.update(bytes)
        position += UInt64(count)
        return bytes
    }

    /// The ends of sections, and sections that this version does not know.
    private mutating func hashRest() throws(ModelFileError) -> Bool {
        let current = outline.header.sections[section]
        if position < current.end {
            _ = take(Int(min(UInt64(TensorPlace.blockBytes), current.end - position)))
            return false
        }
        var finished = hasher
        guard finished.finalize() == current.sha256 else {
            throw ModelFileError(.hashMismatch(section: section + 1), offset: Int(clamping: current.offset))
        }
        section += 1
        hasher = SHA256()
        return section == outline.header.sections.count
    }
}

extension InputGeometry {
    /// The largest magnitude of a centred pixel.
    var bound: Int { zeroPoints.reduce(0) { max($0, Int($1), 255 - Int($1)) } }
}

/// Bias and multipliers of a layer, from the bytes before its weights.
struct LayerNumbers {
    let bias: [Int32]
    let multipliers: [Float]

    init(_ bytes: [UInt8], outputs: Int, at offset: UInt64) throws(ModelFileError) {
        var reader = ByteReader(bytes, 0..<bytes.count)
        do throws(ModelFileError) {
            bias = try reader.i32s(outputs)
            multipliers = try reader.f32s(outputs)
        } catch {
            throw error.moved(by: offset)
        }
    }
}

extension TensorPlace {
    /// Bytes that are read at a time.
    static let blockBytes = 1 << 20

    /// Rows of `outputs` weights; the count of a layer that passed the rules is whole rows.
    var rows: Int { count / outputs }
    var rowsOfBlock: Int { max(1, TensorPlace.blockBytes / outputs) }

    /// The weights that `bytes`, all of the layer's, stand for.
    func decoded(_ bytes: [UInt8]) throws(ModelFileError) -> [Int8] {
        var reader = ByteReader(bytes, 0..<bytes.count)
        do throws(ModelFileError) {
            return isEntropyCoded
                ? try EntropyDecoder.weights(&reader, count: count, outputs: outputs, length: length)
                : try reader.i8s(count)
        } catch {
            throw error.moved(by: weights)
        }
    }
}
