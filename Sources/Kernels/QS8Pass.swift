import CSIMD

/// Some of the inputs of a window times one panel of output channels, for a strip of rows.
///
/// The weights of a pass stay in registers or wasm locals while the pixels go by. Where a window is too long for
/// one pass, sums wait in `sums` for the next.
struct QS8Pass {
    /// Where the first pixel of the strip reads.
    private(set) var input: UnsafePointer<Int16>
    /// From one pixel, row of pixels and run of a window to the next.
    let pixelStep: Int
    let rowStep: Int
    let runStep: Int
    private(set) var weights: UnsafePointer<Int8>
    let bias: UnsafePointer<Int32>
    /// `[pixel][channel of the panel]`.
    let sums: UnsafeMutablePointer<Int32>
    let width: Int
    let height: Int
    let epilogue: QS8Epilogue
    /// Where the panel's first channel of the first pixel of the strip goes, and from one row and pixel to the next.
    let output: UnsafeMutablePointer<Int16>
    let outputPitch: Int
    let outputStep: Int

    /// The same for other inputs of the window.
    func reading(_ input: UnsafePointer<Int16>, _ weights: UnsafePointer<Int8>) -> QS8Pass {
        var pass = self
        pass.input = input
        pass.weights = weights
        return pass
    }

    /// From the bias, or from the sums of the pass before, to sums or to outputs.
    @inline(__always)
    func run<Chain: QS8Chain>(_: Chain.Type, starts: Bool, ends: Bool) {
        if starts {
            if ends { whole(Chain.self) } else { first(Chain.self) }
        } else {
            following(Chain.self, ends: ends)
        }
    }

    /// From the sums of the pass before to sums or to outputs.
    @inline(__always)
    func following<Chain: QS8Chain>(_: Chain.Type, ends: Bool) {
        if ends { last(Chain.self) } else { next(Chain.self) }
    }

    @inline(never)
    private func whole<Chain: QS8Chain>(_: Chain.Type) {
        let chain = Chain(weights)
        let bias = Chain.Row(bias)
        let factors = Chain.Row(factors: epilogue.multipliers)
        for y in 0..<height {
            var from = input + y &* rowStep
            var to = output + y &* outputPitch
            let end = to + width &* outputStep
            while to < end {
                var row = bias
                chain.add(to: &row, from, runStep)
                epilogue.store(row, factors, at: to)
                from += pixelStep
                to += outputStep
            }
        }
    }

    /// From the bias to sums.
    @inline(never)
    func first<Chain: QS8Chain>(_: Chain.Type) {
        let chain = Chain(weights)
        let bias = Chain.Row(bias)
        var sums = sums
        for y in 0..<height {
            var from = input + y &* rowStep
            let end = sums + width &* Chain.Row.vectors &* 4
            while sums < end {
                var row = bias
                chain.add(to: &row, from, runStep)
                row.store(sums)
                from += pixelStep
                sums += Chain.Row.vectors &* 4
            }
        }
    }

    @inline(never)
    private func next<Chain: QS8Chain>(_: Chain.Type) {
        let chain = Chain(weights)
        var sums = sums
        for y in 0..<height {
            var from = input + y &* rowStep
            let end = sums + width &* Chain.Row.vectors &* 4
            while sums < end {
                var row = Chain.Row(sums)
                chain.add(to: &row, from, runStep)
                row.store(sums)
                from += pixelStep
                sums += Chain.Row.vectors &* 4
            }
        }
    }

    @inline(never)
    private func last<Chain: QS8Chain>(_: Chain.Type) {
        let chain = Chain(weights)
        let factors = Chain.Row(factors: epilogue.multipliers)
        var sums = UnsafePointer(sums)
        for y in 0..<height {
            var from = input + y &* rowStep
            var to = output + y &* outputPitch
            let end = sums + width &* Chain.Row.vectors &* 4
            while sums < end {
                var row = Chain.Row(sums)
                chain.add(to: &row, from, runStep)
                epilogue.store(row, factors, at: to)
                from += pixelStep
                sums += Chain.Row.vectors &* 4
                to += outputStep
            }
        }
    }

    /// The largest of each 2x2 sums to outputs.
    @inline(never)
    func pool<Row: QS8Row>(_: Row.Type) {
        let factors = Row(factors: epilogue.multipliers)
        let step = Row.vectors &* 4
        for y in 0..<height / 2 {
            var upper = UnsafePointer(sums) + 2 &* y &* width &* step
            var lower = upper + width &* step
            var to = output + y &* outputPitch
            for _ in 0..<width / 2 {
                let row = Row(upper).maximum(Row(upper + step)).maximum(Row(lower).maximum(Row(lower + step)))
                epilogue.store(row, factors, at: to)
                upper += 2 &* step
                lower += 2 &* step
                to += outputStep
            }
        }
    }
}

/// What happens to finished sums of one panel.
struct QS8Epilogue {
    let multipliers: UnsafePointer<Float>
    let low: SIMD4<Int32>
    let high: SIMD4<Int32>

    @inline(__always) func store<Row: QS8Row>(_ row: Row, _ factors: Row, at target: UnsafeMutablePointer<Int16>) {
        row.requantised(by: factors).store(target, low: low, high: high)
    }
}
