/// Evens out channels before they share one activation range, the function staying the same.
///
/// Channel c of a layer is divided by s[c] and the weights of the next layer that take it are multiplied by s[c], which
/// ReLU and pooling let pass (Nagel et al., "Data-free quantization through weight equalization and bias correction",
/// 2019). Weights have a scale of their own for each output channel here, so that the first half costs nothing:
/// - before a depthwise layer the second half costs nothing either: every channel gets the largest range of all;
/// - before a convolution or dense layer range and weights are balanced (as Xiao et al., "SmoothQuant", 2023):
///   s[c] = √(range of c / weights that take c), both relative to the largest.
enum Equalisation {
    /// Whether the network has layers that gain by it.
    static func helps(_ network: FusedNetwork) -> Bool {
        network.nodes.contains { if case .depthwiseConv2d(let kernel, _, _) = $0.operation { kernel > 1 } else { false } }
    }

    /// The same network with other numbers.
    static func apply(_ network: FusedNetwork, _ observations: Observations) -> FusedNetwork {
        var network = network
        let readers = network.readers
        for index in network.nodes.indices where network.nodes[index].isWeighted {
            guard let maxima = observations.channelMaxima[index], let next = successor(of: index, network, readers),
                let factors = factors(maxima, network.nodes[index], network.nodes[next])
            else { continue }
            divide(&network.nodes[index], by: factors)
            multiply(&network.nodes[next], by: factors)
        }
        return network
    }

    /// The one weighted node that takes the channels of a node as they are, through pooling at most.
    private static func successor(of index: Int, _ network: FusedNetwork, _ readers: [[Int]]) -> Int? {
        var place = index
        while readers[place].count == 1 {
            place = readers[place][0]
            let node = network.nodes[place]
            if node.isWeighted { return place }
            // Flattening keeps the channels of a picture of one pixel.
            let isFlatten = node.operation == .flatten && network.inputShape(node).count == node.channels
            guard (node.keepsChannels || isFlatten) && node.activation != .relu6 else { return nil }
        }
        return nil
    }

    private static func factors(_ maxima: [Float], _ node: FoldedNode, _ next: FoldedNode) -> [Float]? {
        guard let largest = maxima.max(), largest > 0 else { return nil }
        let ranges = maxima.map { max($0 / largest, 1.0 / 64) }
        if case .depthwiseConv2d = next.operation {
            // Channels that reach 6 are among the largest, so that their limit stays where it is.
            return maxima.indices.map { maxima[$0] > 0 ? ranges[$0] : 1 }
        }
        guard node.activation != .relu6 else { return nil }
        let outputs = next.bias.count
        var largestOfOutput = [Float](repeating: 0, count: outputs)
        for (place, weight) in next.weight.enumerated() {
            largestOfOutput[place % outputs] = max(largestOfOutput[place % outputs], abs(weight))
        }
        var weights = [Float](repeating: 0, count: maxima.count)
        for (place, weight) in next.weight.enumerated() where weight != 0 {
            let channel = place / outputs % maxima.count
            weights[channel] = max(weights[channel], abs(weight) / largestOfOutput[place % outputs])
        }
        return maxima.indices.map { channel in
            guard maxima[channel] > 0, weights[channel] > 0 else { return 1 }
            return (ranges[channel] / max(weights[channel], 1.0 / 64)).squareRoot()
        }
    }

    /// The outputs of a node, its bias too.
    private static func divide(_ node: inout FoldedNode, by factors: [Float]) {
        for place in node.weight.indices { node.weight[place] /= factors[place % factors.count] }
        for channel in factors.indices { node.bias[channel] /= factors[channel] }
    }

    /// The weights that take each channel.
    private static func multiply(_ node: inout FoldedNode, by factors: [Float]) {
        let outputs = node.bias.count
        if case .depthwiseConv2d = node.operation {
            for place in node.weight.indices { node.weight[place] *= factors[place % outputs] }
            return
        }
        for place in node.weight.indices { node.weight[place] *= factors[place / outputs % factors.count] }
    }
}

extension FusedNetwork {
    /// The same function with channels evened out, for activations that share one range.
    public func equalised(_ observations: Observations) -> FusedNetwork { Equalisation.apply(self, observations) }
}
