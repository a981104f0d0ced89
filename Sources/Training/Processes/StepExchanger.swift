import NeuralNetwork

/// Makes one step of the parts of several processes: sums weighted by images, in one exchange of one array.
///
/// The array holds gradients, statistics of the batch, the loss, right answers, and how many processes were asked to
/// stop; so all of them know after a step whether it was the last.
final class StepExchanger {
    private let collective: any Collective
    private var flat: [Float] = []
    /// Images of all processes in the step that comes.
    var images = 0
    /// Whether this process was asked to stop.
    var isAskedToStop = false
    /// Whether any process was, as of the last step.
    private(set) var stops = false
    /// Whether the loss of this process's own part of the last step was a number.
    private(set) var isOwnLossFinite = true

    init(_ collective: any Collective) {
        self.collective = collective
    }

    func exchange(_ arrays: [UnsafeMutableBufferPointer<Float>], _ step: inout SharedStep) {
        isOwnLossFinite = step.loss.isFinite
        let numbers = arrays.reduce(0) { $0 + $1.count }
        if flat.count != numbers + 3 { flat = [Float](repeating: 0, count: numbers + 3) }
        let share = Float(step.images) / Float(images)
        flat.withUnsafeMutableBufferPointer { flat in
            var place = 0
            for array in arrays {
                // A process without images has old numbers there.
                if step.images == 0 { array.update(repeating: 0) }
                for i in 0..<array.count { flat[place + i] = array[i] * share }
                place += array.count
            }
            flat[place] = step.loss * share
            flat[place + 1] = Float(step.correct)
            flat[place + 2] = isAskedToStop ? 1 : 0
            collective.sum(flat)
            place = 0
            for array in arrays {
                for i in 0..<array.count { array[i] = flat[place + i] }
                place += array.count
            }
            step.loss = flat[place]
            step.correct = Int(exactly: flat[place + 1]) ?? 0
            stops = flat[place + 2] > 0
        }
        // The largest part: the same in every process, so that running statistics are, too.
        step.images = (images + collective.count - 1) / collective.count
    }
}

extension Evaluation {
    /// The evaluation of the images of all processes.
    func together(_ collective: any Collective) -> Evaluation {
        guard collective.count > 1 else { return self }
        let sums = collective.sum(
            [Double(images), Double(correct), loss * Double(images)] + confusion.joined().map(Double.init))
        let classes = confusion.count
        return Evaluation(
            images: Int(sums[0]), correct: Int(sums[1]), loss: sums[0] > 0 ? sums[2] / sums[0] : 0,
            confusion: (0..<classes).map { actual in
                sums[(3 + actual * classes)..<(3 + (actual + 1) * classes)].map { Int($0) }
            })
    }
}

extension Divergence.Place {
    /// The place that the first process which knows one found.
    static func first(
        _ own: Divergence.Place?, _ collective: any Collective, name: (Int) -> String
    ) -> Divergence.Place? {
        guard collective.count > 1 else { return own }
        // A row for each process: what kind of place, the layer, and the largest number.
        var rows = [Double](repeating: 0, count: 3 * collective.count)
        let row: [Double] =
            switch own {
            case .parameters(let layer, _)?: [1, Double(layer), 0]
            case .activations(let layer, _)?: [2, Double(layer), 0]
            case .loss(let layer, _, let largest)?: [3, Double(layer), Double(largest)]
            case nil: [0, 0, 0]
            }
        rows.replaceSubrange(3 * collective.rank..<3 * collective.rank + 3, with: row)
        rows = collective.sum(rows)
        guard let first = stride(from: 0, to: rows.count, by: 3).first(where: { rows[$0] > 0 }) else { return nil }
        let layer = Int(rows[first + 1])
        switch rows[first] {
        case 1: return .parameters(layer: layer, name: name(layer))
        case 2: return .activations(layer: layer, name: name(layer))
        default: return .loss(layer: layer, name: name(layer), largest: Float(rows[first + 2]))
        }
    }
}
