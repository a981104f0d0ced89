extension ModelFile {
    /// Bytes of biases, multipliers and weights as the file holds them, for each layer of `model`, which it has.
    public static func storedBytes(_ file: [UInt8], of model: QuantizedModel) throws(ModelFileError) -> [Int] {
        var reader = ByteReader(file, try ModelFileSections(file).ranges[3])
        var sizes: [Int] = []
        for layer in model.layers {
            let outputs: Int
            switch layer {
            case .conv2d(let conv): outputs = conv.bias.count
            case .dense(let dense): outputs = dense.bias.count
            case .depthwiseConv2d(let conv): outputs = conv.bias.count
            case .maxPool2d, .flatten, .averagePool2d, .add, .output:
                sizes.append(0)
                continue
            }
            let start = reader.position
            // Biases and multipliers, the number of weights and their encoding.
            _ = try reader.take(8 * outputs + 5)
            _ = try reader.take(Int(clamping: try reader.u32()))
            sizes.append(reader.position - start)
        }
        return sizes
    }
}
