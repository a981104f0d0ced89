// Choices between elements, and moves of rows.

/// Writes y[i] = condition[i] > 0 ? a[i] : b[i]; a condition that is not a number chooses b.
public func f32Select(
    _ condition: UnsafePointer<Float>, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, count: Int, workers: Workers
) {
    workers.forEachRange(count, grain: 16_384) { range in
        var i = range.lowerBound
        while i < range.upperBound {
            let lanes = min(8, range.upperBound &- i)
            let chosen = load(condition + i, lanes) .> SIMD8<Float>.zero
            store(load(b + i, lanes).replacing(with: load(a + i, lanes), where: chosen), y + i, lanes)
            i &+= 8
        }
    }
}

/// Writes the largest element of each sum of `f32Sum`: `kept` visits the results, `reduced` the elements of each.
///
/// A NaN counts as the largest, so that it is noticed.
public func f32Maximum(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, kept: StridedWalk, reduced: StridedWalk,
    workers: Workers
) {
    let length = kept.rowLength
    let grain = max(1, 8192 / max(1, reduced.rows * reduced.rowLength))
    workers.forEachRange(kept.rows * length, grain: grain) { range in
        for unit in range {
            let row = unit / length
            let source = x + (kept.place(row: row).a + (unit - row * length) * kept.rowStrideA)
            var best = source[0]
            for part in 0..<reduced.rows {
                let first = source + reduced.place(row: part).a
                for i in 0..<reduced.rowLength {
                    let candidate = first[i &* reduced.rowStrideA]
                    if candidate > best || candidate != candidate { best = candidate }
                }
            }
            y[unit] = best
        }
    }
}

/// Writes the rows of x into y, whose rows begin `stride` apart.
public func f32CopyRows(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, length: Int, stride: Int,
    workers: Workers
) {
    workers.forEachRange(rows, grain: max(1, 16_384 / max(1, length))) { range in
        for row in range { (y + row * stride).update(from: x + row * length, count: length) }
    }
}

/// Writes x into places of y, which `walk` visits in the order of x; other elements of y are left as they are.
public func f32Scatter(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, walk: StridedWalk, workers: Workers
) {
    let length = walk.rowLength
    let stride = walk.rowStrideA
    workers.forEachRange(walk.rows, grain: max(1, 16_384 / max(1, length))) { range in
        for row in range {
            let source = x + row * length
            let target = y + walk.place(row: row).a
            for i in 0..<length { target[i &* stride] = source[i] }
        }
    }
}

/// Writes row `indices[i]` of x to row i of y; rows that do not exist become NaN, so that they are noticed.
public func f32GatherRows(
    _ x: UnsafePointer<Float>, _ indices: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int,
    of available: Int, length: Int, workers: Workers
) {
    workers.forEachRange(rows, grain: max(1, 16_384 / max(1, length))) { range in
        for row in range {
            let target = y + row * length
            if let place = f32Row(indices[row], of: available) {
                target.update(from: x + place * length, count: length)
            } else {
                target.update(repeating: .nan, count: length)
            }
        }
    }
}

/// Writes zeros, and adds row i of dy to row `indices[i]` of dx, i ascending; rows that do not exist are dropped.
public func f32ScatterRows(
    _ dy: UnsafePointer<Float>, _ indices: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, rows: Int,
    of available: Int, length: Int, workers: Workers
) {
    dx.update(repeating: 0, count: available * length)
    workers.forEachRange(length, grain: max(1, 16_384 / max(1, rows))) { columns in
        for row in 0..<rows {
            guard let place = f32Row(indices[row], of: available) else { continue }
            for column in columns { dx[place &* length &+ column] += dy[row &* length &+ column] }
        }
    }
}

/// An index held as a number, or nil when it is none below `count`.
private func f32Row(_ index: Float, of count: Int) -> Int? {
    guard index >= 0, index < 16_777_216 else { return nil }
    let place = Int(index)
    return place < count ? place : nil
}

/// Writes multiples of 2⁻²⁴ in [0, 1): element i is a function of seed, counter and i alone.
///
/// Steps of SplitMix64 from a start that seed and counter are mixed to; any part can be made on its own.
public func f32Uniform(
    seed: UInt64, counter: Float, _ y: UnsafeMutablePointer<Float>, count: Int, workers: Workers
) {
    var mixer = SplitMix64(seed: seed ^ (UInt64(counter.bitPattern) &* 0xD134_2543_DE82_EF95))
    let start = mixer.next()
    workers.forEachRange(count, grain: 8192) { range in
        var random = SplitMix64(seed: start &+ UInt64(truncatingIfNeeded: range.lowerBound) &* 0x9E37_79B9_7F4A_7C15)
        for i in range { y[i] = random.uniform() }
    }
}
