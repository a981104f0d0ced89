import Autodiff
import NeuralNetwork

/// The optimizer's pass over all parameters, in the layouts that they have, cut into pieces for the threads.
///
/// An optimizer works on one number at a time, so that the order of numbers does not matter to it; padding stays zero
/// because its gradient is zero.
final class ParameterUpdate {
    private struct Piece {
        let parameter: UnsafeMutableBufferPointer<Float>
        let gradient: UnsafePointer<Float>
        /// The arrays of the optimizer for this piece, one after the other.
        let state: UnsafeMutablePointer<Float>
    }

    private static let pieceCount = 8192
    private let executor: AcceleratedExecutor
    private let slots: Int
    private let memory: UnsafeMutableRawPointer
    private var pieces: [Piece] = []
    /// The pieces of each parameter.
    private var ranges: [Range<Int>] = []

    init(_ executor: AcceleratedExecutor, slots: Int) {
        self.executor = executor
        self.slots = slots
        let buffers = executor.updateBuffers
        memory = Storage.aligned(byteCount: buffers.reduce(0) { $0 + $1.parameter.count * slots * 4 } + 64)
        var state = memory.assumingMemoryBound(to: Float.self)
        for (parameter, gradient) in buffers {
            let first = pieces.count
            for start in stride(from: 0, to: parameter.count, by: ParameterUpdate.pieceCount) {
                let end = min(start + ParameterUpdate.pieceCount, parameter.count)
                pieces.append(
                    Piece(
                        parameter: UnsafeMutableBufferPointer(rebasing: parameter[start..<end]),
                        gradient: gradient + start, state: state))
                state += (end - start) * slots
            }
            ranges.append(first..<pieces.count)
        }
    }

    deinit { memory.deallocate() }

    func apply<O: Optimizer>(_ optimizer: O, step: Int) {
        pieces.withUnsafeBufferPointer { pieces in
            nonisolated(unsafe) let pieces = pieces
            executor.library.parallel(over: pieces.count) { range in
                for index in range {
                    let piece = pieces[index]
                    optimizer.update(
                        piece.parameter, gradient: piece.gradient, state: piece.state, step: step)
                }
            }
        }
    }

    /// The state of one parameter: `stateSlots` row-major arrays, one after the other.
    func state(_ index: Int, _ shape: Shape) throws(AccelerationError) -> [Float] {
        var all: [Float] = []
        let whole = Storage.aligned(byteCount: executor.updateBuffers[index].parameter.count * 4)
        defer { whole.deallocate() }
        for slot in 0..<slots {
            var target = whole.assumingMemoryBound(to: Float.self)
            for piece in pieces[ranges[index]] {
                let count = piece.parameter.count
                target.update(from: piece.state + slot * count, count: count)
                target += count
            }
            all += try executor.numbers(likeParameter: index, shape, at: whole)
        }
        return all
    }

    func set(_ numbers: [Float], _ index: Int, _ shape: Shape) throws(AccelerationError) {
        let whole = Storage.aligned(byteCount: executor.updateBuffers[index].parameter.count * 4)
        defer { whole.deallocate() }
        for slot in 0..<slots {
            let part = Array(numbers[slot * shape.count..<(slot + 1) * shape.count])
            try executor.set(part, likeParameter: index, shape, at: whole)
            var source = whole.assumingMemoryBound(to: Float.self)
            for piece in pieces[ranges[index]] {
                let count = piece.parameter.count
                (piece.state + slot * count).update(from: source, count: count)
                source += count
            }
        }
    }
}
