import Digests

/// Serialises a model; every choice the format leaves open is fixed here, so equal models give equal bytes.
enum ModelFileWriter {
    static func file(_ model: QuantizedModel) -> [UInt8] {
        let tensors = self.tensors(model)
        let sections = [network(model), labels(model), model.provenance, tensors.bytes]
        var table = ByteWriter()
        var length = ModelFileLayout.headerBytes + sections.count * ModelFileLayout.sectionEntryBytes
        for index in 0..<sections.count {
            table.u32(UInt32(index + 1))
            table.u32(0)
            table.u64(UInt64(sections[index].count))
            table.bytes += SHA256.hash(sections[index])
            length += sections[index].count
        }
        var file = ByteWriter()
        file.bytes.reserveCapacity(length)
        for i in 0..<8 { file.bytes.append(ModelFileLayout.magic[i]) }
        file.u16(ModelFileLayout.major)
        file.u16(max(minor(model), tensors.hasCodedWeights ? 2 : 0))
        file.u32(UInt32(sections.count))
        file.u64(UInt64(length))
        file.u64(0)
        file.bytes += SHA256.hash(file.bytes + table.bytes)
        file.bytes += table.bytes
        for section in sections { file.bytes += section }
        return file.bytes
    }

    /// The lowest minor version that has every kind of layer of the model.
    private static func minor(_ model: QuantizedModel) -> Int {
        for layer in model.layers {
            switch layer {
            case .conv2d, .dense, .maxPool2d, .flatten: continue
            case .depthwiseConv2d, .averagePool2d, .add, .output: return 1
            }
        }
        return 0
    }

    private static func network(_ model: QuantizedModel) -> [UInt8] {
        var writer = ByteWriter()
        writer.text(model.name)
        writer.u16(model.input.height)
        writer.u16(model.input.width)
        writer.u8(model.input.channels)
        for zeroPoint in model.input.zeroPoints { writer.u8(Int(zeroPoint)) }
        writer.u32(model.input.scale.bitPattern)
        writer.u32(model.logitScale.bitPattern)
        writer.u16(model.layers.count)
        for layer in model.layers {
            switch layer {
            case .conv2d(let c):
                writer.bytes.append(ModelFileLayout.Kind.conv2d)
                writer.u32(UInt32(c.outputChannels))
                writer.u8(c.kernelHeight)
                writer.u8(c.kernelWidth)
                writer.u8(c.stride)
                writer.u8(c.padding)
                writer.output(c.output)
            case .dense(let dense):
                writer.bytes.append(ModelFileLayout.Kind.dense)
                writer.u32(UInt32(dense.outputs))
                writer.output(dense.output)
            case .maxPool2d(let window, let stride):
                writer.bytes.append(ModelFileLayout.Kind.maxPool2d)
                writer.u8(window)
                writer.u8(stride)
            case .flatten:
                writer.bytes.append(ModelFileLayout.Kind.flatten)
            case .depthwiseConv2d(let c):
                writer.bytes.append(ModelFileLayout.Kind.depthwiseConv2d)
                writer.u32(UInt32(c.bias.count))
                writer.u8(c.kernelHeight)
                writer.u8(c.kernelWidth)
                writer.u8(c.stride)
                writer.u8(c.padding)
                writer.output(c.output)
            case .averagePool2d(let pool):
                writer.bytes.append(ModelFileLayout.Kind.averagePool2d)
                writer.u16(pool.windowHeight)
                writer.u16(pool.windowWidth)
                writer.u8(pool.stride)
                writer.u32(pool.multiplier.bitPattern)
                writer.output(pool.output)
            case .add(let add):
                writer.bytes.append(ModelFileLayout.Kind.add)
                writer.u16(add.source)
                writer.u32(add.multiplier.bitPattern)
                writer.u32(add.sourceMultiplier.bitPattern)
                writer.output(add.output)
            case .output(let source):
                writer.bytes.append(ModelFileLayout.Kind.output)
                writer.u16(source)
            }
        }
        return writer.bytes
    }

    private static func labels(_ model: QuantizedModel) -> [UInt8] {
        var writer = ByteWriter()
        writer.u16(model.labels.count)
        for label in model.labels { writer.text(label) }
        return writer.bytes
    }

    private static func tensors(_ model: QuantizedModel) -> ByteWriter {
        var writer = ByteWriter()
        for layer in model.layers {
            switch layer {
            case .conv2d(let c): writer.tensors(c.bias, c.multipliers, c.weights)
            case .dense(let dense): writer.tensors(dense.bias, dense.multipliers, dense.weights)
            case .depthwiseConv2d(let c): writer.tensors(c.bias, c.multipliers, c.weights)
            case .maxPool2d, .flatten, .averagePool2d, .add, .output: break
            }
        }
        return writer
    }
}

/// Appends little-endian numbers.
private struct ByteWriter {
    var bytes: [UInt8] = []
    /// Whether a tensor was written that version 1.1 cannot read.
    private(set) var hasCodedWeights = false

    mutating func u8(_ value: Int) { bytes.append(UInt8(value)) }

    mutating func u16(_ value: Int) {
        bytes.append(UInt8(truncatingIfNeeded: value))
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    }

    mutating func u32(_ value: UInt32) {
        for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func u64(_ value: UInt64) {
        u32(UInt32(truncatingIfNeeded: value))
        u32(UInt32(truncatingIfNeeded: value >> 32))
    }

    mutating func text(_ text: [UInt8]) {
        u16(text.count)
        bytes += text
    }

    mutating func output(_ output: QuantizedOutput) {
        switch output {
        case .activations(let low, let high):
            bytes.append(ModelFileLayout.Output.activations)
            u16(Int(low))
            u16(Int(high))
        case .logits:
            bytes.append(ModelFileLayout.Output.logits)
            u16(0)
            u16(0)
        }
    }

    mutating func tensors(_ bias: [Int32], _ multipliers: [Float], _ weights: [Int8]) {
        for value in bias { u32(UInt32(bitPattern: value)) }
        for value in multipliers { u32(value.bitPattern) }
        u32(UInt32(weights.count))
        if let coded = EntropyEncoder.encoded(weights, outputs: bias.count) {
            hasCodedWeights = true
            bytes.append(ModelFileLayout.Encoding.entropyCoded)
            u32(UInt32(coded.count))
            bytes += coded
        } else {
            bytes.append(ModelFileLayout.Encoding.raw)
            u32(UInt32(weights.count))
            for weight in weights { bytes.append(UInt8(bitPattern: weight)) }
        }
    }
}
