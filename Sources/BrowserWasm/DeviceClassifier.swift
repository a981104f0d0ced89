import Certificates
import Digests
import Images
import Inference

/// Why a step was refused: a clause for people, in UTF-8.
struct Refusal: Error {
    let text: [UInt8]

    init(_ text: [UInt8]) { self.text = text }
    init(_ text: StaticString) { self.text = utf8(text) }

    init(_ text: StaticString, _ label: StaticString, _ offset: Int) {
        self.text =
            utf8(text) + utf8(" (") + utf8(label) + utf8(" ") + decimal(UInt64(max(offset, 0))) + utf8(")")
    }
}

/// On-device inference that runs no file but the one a subnet has certified.
///
/// The order of the steps is the protection: `prove` learns the hash of the active model from a certificate, `load`
/// takes only a file of that hash, `classify` only a loaded model.
struct DeviceClassifier {
    /// What the subnet has certified about the active model.
    private struct Facts {
        let sha256: [UInt8]
        let version: UInt64
        let time: UInt64
    }

    private struct Loaded {
        let model: QuantizedModel
        let executor: IntegerExecutor
    }

    private var facts: Facts?
    private var loaded: Loaded?

    /// Checks a `certified_model` answer of a classifier canister.
    ///
    /// Returns the time of certification (u64, nanoseconds since 1970), the version (u64), both little-endian, and
    /// the SHA-256 of the model file.
    mutating func prove(
        certificate: [UInt8], witness: [UInt8], canister: [UInt8], rootKey: [UInt8], provenance: [UInt8],
        now: UInt64
    ) throws(Refusal) -> [UInt8] {
        facts = nil
        loaded = nil
        let proven: CertifiedWitness
        do throws(WitnessFault) {
            proven = try CertifiedWitness(
                certificate: certificate, witness: witness, canister: canister,
                rootKey: rootKey.isEmpty ? RootSubnet.mainnetKey : rootKey,
                freshness: CertificateFreshness(now: now))
        } catch {
            throw Refusal(error.text)
        }
        guard case .found(let sha256) = proven.tree.lookup([utf8("model"), utf8("sha256")]),
            case .found(let number) = proven.tree.lookup([utf8("model"), utf8("version")]),
            let version = naturalFromLEB128(number), sha256.count == 32
        else { throw Refusal("the certified data names no model") }
        guard
            proven.tree.lookup([utf8("model"), utf8("provenance_sha256")]) == .found(SHA256.hash(provenance))
        else { throw Refusal("the provenance that the canister tells is not the certified one") }
        facts = Facts(sha256: sha256, version: version, time: proven.time)
        return littleEndian(proven.time) + littleEndian(version) + sha256
    }

    /// Reads the model file, if it is the certified one.
    mutating func load(_ file: [UInt8]) throws(Refusal) {
        loaded = nil
        guard let facts else { throw Refusal("no certificate says which model to load") }
        let found = SHA256.hash(file)
        guard found == facts.sha256 else {
            throw Refusal(
                utf8("the downloaded file has SHA-256 ") + Hex.encode(found)
                    + utf8(", but the subnet certified ")
                    + Hex.encode(facts.sha256))
        }
        do throws(ModelFileError) {
            let model = try ModelFile.read(file)
            loaded = Loaded(model: model, executor: IntegerExecutor(model))
        } catch {
            throw Refusal(error.message, "byte", error.offset)
        }
    }

    private func active() throws(Refusal) -> Loaded {
        guard let loaded else { throw Refusal("no model is loaded") }
        return loaded
    }

    /// The pixels that the loaded model sees of a PNG: decoded, converted and resized as the canister does it.
    func pixels(png: [UInt8]) throws(Refusal) -> [UInt8] {
        let input = try active().model.input
        do throws(ImageError) {
            return try PNG.decode(png, limits: .small).fitted(
                width: input.width, height: input.height, channels: input.channels
            ).pixels
        } catch {
            throw Refusal(error.message, "byte", error.offset)
        }
    }

    /// All classes, best first: for each its index (u32), logit (i32) and probability (f32), little-endian.
    func classify(pixels: [UInt8]) throws(Refusal) -> [UInt8] {
        let loaded = try active()
        guard pixels.count == loaded.model.input.byteCount else {
            throw Refusal("the picture has another size than the model's input", "bytes", pixels.count)
        }
        let logits = loaded.executor.logits(pixels: pixels)
        var answer: [UInt8] = []
        for prediction in Prediction.ranked(
            logits: logits, logitScale: loaded.model.logitScale, top: logits.count)
        {
            answer += littleEndian(UInt32(prediction.index))
            answer += littleEndian(UInt32(bitPattern: prediction.logit))
            answer += littleEndian(prediction.probability.bitPattern)
        }
        return answer
    }

    /// The logits (i32, little-endian) of pictures that follow each other, class by class.
    func logits(pixels: [UInt8]) throws(Refusal) -> [UInt8] {
        let loaded = try active()
        let size = loaded.model.input.byteCount
        guard pixels.count % size == 0 else {
            throw Refusal("not a whole number of pictures", "bytes", pixels.count)
        }
        var answer: [UInt8] = []
        for start in stride(from: 0, to: pixels.count, by: size) {
            for logit in loaded.executor.logits(pixels: [UInt8](pixels[start..<(start + size)])) {
                answer += littleEndian(UInt32(bitPattern: logit))
            }
        }
        return answer
    }
}

extension WitnessFault {
    /// One clause for people, in UTF-8.
    var text: [UInt8] {
        switch self {
        case .unreadable: utf8("the canister's part of the certified tree cannot be read")
        case .otherRoot: utf8("the subnet has certified other data than the canister shows")
        case .certificate(let fault):
            switch fault {
            case .malformed: utf8("the certificate cannot be read")
            case .badKey:
                utf8("the certificate cannot be checked: the subnet's public key is not a valid one")
            case .badSignature: utf8("the certificate is not signed by the expected key")
            case .delegationHasDelegation:
                utf8("the certificate rests on two delegations, which is not allowed")
            case .noSubnetKey: utf8("the certificate's delegation does not show the subnet's key")
            case .notInRange: utf8("the certificate comes from a subnet that does not host this canister")
            case .noTime: utf8("the certificate does not show its time")
            case .tooOld(let seconds):
                utf8("the certificate is ") + decimal(seconds)
                    + utf8(" seconds old: is this device's clock right?")
            case .fromTheFuture(let seconds):
                utf8("the certificate is ") + decimal(seconds)
                    + utf8(" seconds ahead of this device: is its clock right?")
            }
        }
    }
}

func utf8(_ text: StaticString) -> [UInt8] {
    text.withUTF8Buffer { [UInt8]($0) }
}

private func decimal(_ value: UInt64) -> [UInt8] {
    var digits: [UInt8] = []
    var rest = value
    repeat {
        digits.append(0x30 + UInt8(rest % 10))
        rest /= 10
    } while rest > 0
    return digits.reversed()
}

private func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    var bytes: [UInt8] = []
    for shift in stride(from: 0, to: T.bitWidth, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
    }
    return bytes
}
