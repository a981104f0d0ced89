// One result for each element; the result may lie over an operand of the same length.

/// Functions of one number.
public enum F32Unary: Equatable, Sendable {
    case negate, exp, log, squareRoot, relu, sigmoid, tanh, erf
    /// The nearest integer, ties to even.
    case round
    /// The nearest number in low ... high.
    case clamp(low: Float, high: Float)
    case power(Float)
}

/// Functions of two numbers.
public enum F32Binary: Equatable, Sendable {
    case add, subtract, multiply, divide
    /// (dy, y) → dy where y > 0, else 0.
    case reluGradient
    /// (dy, x) → dy where low < x < high, else 0.
    case clampGradient(low: Float, high: Float)
}

/// Elements that one worker takes at a time: some ten microseconds.
private let grain = 16_384

/// Writes y[i] = f(x[i]).
public func f32Map(
    _ function: F32Unary, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int,
    workers: Workers
) {
    switch function {
    case .negate: mapLanes(x, y, count, workers) { SIMD8<Float>(repeating: -0.0) - $0 }
    case .squareRoot: mapLanes(x, y, count, workers) { $0.squareRoot() }
    // Not a maximum: a NaN must stay one, so that it is noticed.
    case .relu: mapLanes(x, y, count, workers) { $0.replacing(with: 0, where: $0 .< 0) }
    case .round: mapLanes(x, y, count, workers) { nearestInteger($0) }
    case .exp: mapScalars(x, y, count, workers) { Scalar.exp($0) }
    case .log: mapScalars(x, y, count, workers) { Scalar.log($0) }
    case .sigmoid: mapScalars(x, y, count, workers) { Scalar.sigmoid($0) }
    case .tanh: mapScalars(x, y, count, workers) { Scalar.tanh($0) }
    case .erf: mapScalars(x, y, count, workers) { Scalar.erf($0) }
    case .power(let exponent): mapScalars(x, y, count, workers) { Scalar.power($0, exponent) }
    case .clamp(let low, let high):
        mapLanes(x, y, count, workers) {
            $0.replacing(with: low, where: $0 .< splat(low)).replacing(with: high, where: $0 .> splat(high))
        }
    }
}

/// Below 2^23 the sum with 2^23 has no room for fractions, and is rounded to even as every sum is; above, and for
/// infinities and NaN, x has no fraction.
@inline(__always)
private func nearestInteger(_ x: SIMD8<Float>) -> SIMD8<Float> {
    let limit = SIMD8<Float>(repeating: 8_388_608)
    let magnitude = x.replacing(with: SIMD8<Float>(repeating: -0.0) - x, where: x .< 0)
    let rounded = (magnitude + limit) - limit
    let signed = rounded.replacing(with: SIMD8<Float>(repeating: -0.0) - rounded, where: x .< 0)
    return x.replacing(with: signed, where: magnitude .< limit)
}

@inline(__always)
private func mapLanes(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ workers: Workers,
    _ f: (SIMD8<Float>) -> SIMD8<Float>
) {
    workers.forEachRange(count, grain: grain) { range in
        var i = range.lowerBound
        while i &+ 8 <= range.upperBound {
            store8(f(load8(x + i)), y + i)
            i &+= 8
        }
        let rest = range.upperBound &- i
        if rest > 0 { store(f(load(x + i, rest)), y + i, rest) }
    }
}

@inline(__always)
private func mapScalars(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ workers: Workers,
    _ f: (Float) -> Float
) {
    workers.forEachRange(count, grain: grain / 16) { range in
        for i in range { y[i] = f(x[i]) }
    }
}

/// Writes y[i] = f(a[i], b[i]).
public func f32Combine(
    _ function: F32Binary, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, count: Int, workers: Workers
) {
    workers.forEachRange(count, grain: grain) { range in
        combineRun(
            function, a + range.lowerBound, 1, b + range.lowerBound, 1, y + range.lowerBound, range.count)
    }
}

/// Writes y = f(a, b) where operands are repeated along some axes, as `walk` says.
public func f32Combine(
    _ function: F32Binary, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, walk: StridedWalk, workers: Workers
) {
    let length = walk.rowLength
    let strideA = walk.rowStrideA
    let strideB = walk.rowStrideB
    if walk.rows == 1 {
        workers.forEachRange(length, grain: grain) { range in
            let first = range.lowerBound
            combineRun(
                function, a + first * strideA, strideA, b + first * strideB, strideB, y + first, range.count)
        }
        return
    }
    workers.forEachRange(walk.rows, grain: max(1, grain / max(1, length))) { range in
        for row in range {
            let place = walk.place(row: row)
            combineRun(
                function, a + place.a, strideA, b + place.b, strideB, y + row * length, length)
        }
    }
}

/// Writes x repeated or with its axes in another order, as `walk` says.
public func f32Gather(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, walk: StridedWalk, workers: Workers
) {
    let length = walk.rowLength
    let stride = walk.rowStrideA
    workers.forEachRange(walk.rows, grain: max(1, grain / max(1, length))) { range in
        for row in range {
            let source = x + walk.place(row: row).a
            let target = y + row * length
            if stride == 1 {
                target.update(from: source, count: length)
            } else {
                for i in 0..<length { target[i] = source[i &* stride] }
            }
        }
    }
}

private func combineRun(
    _ function: F32Binary, _ a: UnsafePointer<Float>, _ strideA: Int, _ b: UnsafePointer<Float>,
    _ strideB: Int,
    _ y: UnsafeMutablePointer<Float>, _ count: Int
) {
    switch function {
    case .add: combineRun(a, strideA, b, strideB, y, count) { $0 + $1 }
    case .subtract: combineRun(a, strideA, b, strideB, y, count) { $0 - $1 }
    case .multiply: combineRun(a, strideA, b, strideB, y, count) { $0 * $1 }
    case .divide: combineRun(a, strideA, b, strideB, y, count) { $0 / $1 }
    case .reluGradient:
        combineRun(a, strideA, b, strideB, y, count) { $0.replacing(with: 0, where: $1 .<= 0) }
    case .clampGradient(let low, let high):
        combineRun(a, strideA, b, strideB, y, count) {
            $0.replacing(with: 0, where: ($1 .<= splat(low)) .| ($1 .>= splat(high)))
        }
    }
}

/// Strides are 0 (one number, repeated) or 1.
@inline(__always)
private func combineRun(
    _ a: UnsafePointer<Float>, _ strideA: Int, _ b: UnsafePointer<Float>, _ strideB: Int,
    _ y: UnsafeMutablePointer<Float>, _ count: Int, _ f: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
) {
    let firstA = splat(a[0])
    let firstB = splat(b[0])
    var i = 0
    while i &+ 8 <= count {
        let left = strideA == 0 ? firstA : load8(a + i)
        let right = strideB == 0 ? firstB : load8(b + i)
        store8(f(left, right), y + i)
        i &+= 8
    }
    let rest = count &- i
    if rest > 0 {
        let left = strideA == 0 ? firstA : load(a + i, rest)
        let right = strideB == 0 ? firstB : load(b + i, rest)
        store(f(left, right), y + i, rest)
    }
}
