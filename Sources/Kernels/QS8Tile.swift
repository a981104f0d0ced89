import CSIMD

/// A few pixels times one row of output channels: the accumulators of a register tile and where its inputs are.
protocol QS8Tile {
    associatedtype Row: QS8Row
    static var pixels: Int { get }
    /// Accumulators at the bias; pixel i reads from `input + offsets[i]`.
    init(bias: Row, input: UnsafePointer<Int16>, offsets: UnsafePointer<Int32>)
    /// Adds the products of input pair number `step` from the current position.
    mutating func accumulate(step: Int, _ weights: Row)
    /// Moves the current position of every pixel by `count` inputs.
    mutating func advance(_ count: Int)
    /// The largest accumulator over all pixels.
    var maximum: Row { get }
    /// Requantises and stores every pixel i at `outputs[i]`.
    func emit(_ epilogue: QS8Epilogue, _ outputs: UnsafePointer<Int32>)
    /// Requantises and stores the maximum of every four pixels; window i goes to `outputs[i]`.
    func emitPooled(_ epilogue: QS8Epilogue, _ outputs: UnsafePointer<Int32>)
}

/// One pixel.
struct Pixel<Row: QS8Row>: QS8Tile {
    var row: Row
    var input: UnsafePointer<Int16>

    @inline(__always) static var pixels: Int { 1 }

    @inline(__always) init(bias: Row, input: UnsafePointer<Int16>, offsets: UnsafePointer<Int32>) {
        row = bias
        self.input = input + Int(offsets[0])
    }

    @inline(__always) mutating func accumulate(step: Int, _ weights: Row) {
        row.accumulate(lanes_splat_pair(input + step &* 2), weights)
    }

    @inline(__always) mutating func advance(_ count: Int) { input += count }
    @inline(__always) var maximum: Row { row }

    @inline(__always) func emit(_ epilogue: QS8Epilogue, _ outputs: UnsafePointer<Int32>) {
        epilogue.store(row, at: Int(outputs[0]))
    }

    @inline(__always) func emitPooled(_ epilogue: QS8Epilogue, _ outputs: UnsafePointer<Int32>) {
        preconditionFailure("a pooling window is four pixels")
    }
}

/// Twice as many pixels.
struct PixelPair<Half: QS8Tile>: QS8Tile {
    typealias Row = Half.Row
    var a: Half
    var b: Half

    @inline(__always) static var pixels: Int { Half.pixels &* 2 }

    @inline(__always) init(bias: Row, input: UnsafePointer<Int16>, offsets: UnsafePointer<Int32>) {
        a = Half(bias: bias, input: input, offsets: offsets)
        b = Half(bias: bias, input: input, offsets: offsets + Half.pixels)
    }

    @inline(__always) mutating func accumulate(step: Int, _ weights: Row) {
        a.accumulate(step: step, weights)
        b.accumulate(step: step, weights)
    }

    @inline(__always) mutating func advance(_ count: Int) {
        a.advance(count)
        b.advance(count)
    }

    @inline(__always) var maximum: Row { a.maximum.maximum(b.maximum) }

    @inline(__always) func emit(_ epilogue: QS8Epilogue, _ outputs: UnsafePointer<Int32>) {
        a.emit(epilogue, outputs)
        b.emit(epilogue, outputs + Half.pixels)
    }

    @inline(__always) func emitPooled(_ epilogue: QS8Epilogue, _ outputs: UnsafePointer<Int32>) {
        if Half.pixels &* 2 == 4 {
            epilogue.store(maximum, at: Int(outputs[0]))
        } else {
            a.emitPooled(epilogue, outputs)
            b.emitPooled(epilogue, outputs + Half.pixels / 4)
        }
    }
}

/// What happens to finished accumulators of one panel.
struct QS8Epilogue {
    let multipliers: UnsafePointer<Float>
    let low: SIMD4<Int32>
    let high: SIMD4<Int32>
    /// Where the panel's first channel of output offset 0 goes.
    let output: UnsafeMutablePointer<Int16>
    /// Channels that exist; fewer than the row holds only in the last panel of a layer.
    let channels: Int
    /// Room for one row.
    let spill: UnsafeMutablePointer<Int16>

    @inline(__always) func store<Row: QS8Row>(_ row: Row, at offset: Int) {
        put(row.requantised(multipliers), at: offset)
    }

    /// The same with the multipliers in registers.
    @inline(__always) func store<Row: QS8Row>(_ row: Row, _ factors: Row, at offset: Int) {
        put(row.requantised(by: factors), at: offset)
    }

    @inline(__always) private func put<Row: QS8Row>(_ q: Row, at offset: Int) {
        let target = output + offset
        if channels >= Row.vectors &* 4 {
            q.store(target, low: low, high: high)
        } else {
            q.store(spill, low: low, high: high)
            for i in 0..<channels { target[i] = spill[i] }
        }
    }
}

extension QS8Tile {
    /// Adds `runs` runs of `pairs` input pairs; the next run starts `gap` inputs after the end of one.
    ///
    /// The bulk goes sixteen pairs at a time so that the partial sums of one accumulator chain in one expression;
    /// the rest in chains of eight, four, two and one.
    @inline(__always)
    mutating func accumulate(runs: Int, pairs: Int, gap: Int, weights start: UnsafePointer<Int8>) {
        var weights = start
        for _ in 0..<runs {
            var left = pairs
            if Self.pixels >= 8 && Row.vectors <= 4 && left == 15 {
                // A row of 5x5 with six channels: one chain instead of four.
                fifteen(&weights)
                left = 0
            }
            while left >= 16 {
                sixteen(&weights)
                left &-= 16
            }
            if left & 8 != 0 { eight(&weights) }
            if left & 4 != 0 { four(&weights) }
            if left & 2 != 0 { two(&weights) }
            if left & 1 != 0 { one(&weights) }
            advance(gap)
        }
    }

    @inline(__always) private mutating func step(_ i: Int, _ weights: UnsafePointer<Int8>) {
        accumulate(step: i, Row(weights: weights + i &* Row.vectors &* 8))
    }

    @inline(__always) private mutating func move(_ steps: Int, _ weights: inout UnsafePointer<Int8>) {
        weights += steps &* Row.vectors &* 8
        advance(steps &* 2)
    }

    @inline(__always) private mutating func one(_ weights: inout UnsafePointer<Int8>) {
        step(0, weights)
        move(1, &weights)
    }

    @inline(__always) private mutating func two(_ weights: inout UnsafePointer<Int8>) {
        step(0, weights)
        step(1, weights)
        move(2, &weights)
    }

    /// Steps `i ..< i + 4`.
    @inline(__always) private mutating func fourSteps(_ i: Int, _ weights: UnsafePointer<Int8>) {
        step(i, weights)
        step(i &+ 1, weights)
        step(i &+ 2, weights)
        step(i &+ 3, weights)
    }

    @inline(__always) private mutating func four(_ weights: inout UnsafePointer<Int8>) {
        fourSteps(0, weights)
        move(4, &weights)
    }

    @inline(__always) private mutating func eight(_ weights: inout UnsafePointer<Int8>) {
        fourSteps(0, weights)
        fourSteps(4, weights)
        move(8, &weights)
    }

    @inline(__always) private mutating func fifteen(_ weights: inout UnsafePointer<Int8>) {
        fourSteps(0, weights)
        fourSteps(4, weights)
        fourSteps(8, weights)
        step(12, weights)
        step(13, weights)
        step(14, weights)
        move(15, &weights)
    }

    @inline(__always) private mutating func sixteen(_ weights: inout UnsafePointer<Int8>) {
        fourSteps(0, weights)
        fourSteps(4, weights)
        fourSteps(8, weights)
        fourSteps(12, weights)
        move(16, &weights)
    }
}
