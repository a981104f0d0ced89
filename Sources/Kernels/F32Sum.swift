/// Sums over some axes of an array: `kept` visits the results, `reduced` the elements of each, ascending.
///
/// - Parameters:
///   - x: `count` elements; strides of both walks are places in it.
///   - y: one number for each element of `kept`.
public func f32Sum(
    _ x: UnsafePointer<Float>, count: Int, _ y: UnsafeMutablePointer<Float>, kept: StridedWalk,
    reduced: StridedWalk, workers: Workers
) {
    let length = kept.rowLength
    if kept.rowStrideA == 1 && length > 1 {
        let chunks = (length + 7) / 8
        workers.forEachRange(kept.rows * chunks, grain: grain(reduced)) { range in
            for unit in range {
                let row = unit / chunks
                let first = (unit - row * chunks) * 8
                let lanes = min(8, length - first)
                let total = sumLanes(x, kept.place(row: row).a + first, count: count, lanes, reduced)
                store(total, y + row * length + first, lanes)
            }
        }
    } else {
        let stride = kept.rowStrideA
        workers.forEachRange(kept.rows * length, grain: grain(reduced)) { range in
            for unit in range {
                let row = unit / length
                y[unit] = sumOne(x + kept.place(row: row).a + (unit - row * length) * stride, reduced)
            }
        }
    }
}

private func grain(_ reduced: StridedWalk) -> Int { max(1, 8192 / max(1, reduced.rows * reduced.rowLength)) }

/// Eight sums side by side. Loads whole vectors while they end inside x; what the further lanes read is dropped.
private func sumLanes(
    _ x: UnsafePointer<Float>, _ first: Int, count: Int, _ lanes: Int, _ reduced: StridedWalk
) -> SIMD8<Float> {
    var total = SIMD8<Float>.zero
    let stride = reduced.rowStrideA
    let length = reduced.rowLength
    for row in 0..<reduced.rows {
        var place = first + reduced.place(row: row).a
        var left = length
        while left > 0 && place &+ 8 <= count {
            total += load8(x + place)
            place &+= stride
            left &-= 1
        }
        while left > 0 {
            total += load(x + place, lanes)
            place &+= stride
            left &-= 1
        }
    }
    return total
}

private func sumOne(_ x: UnsafePointer<Float>, _ reduced: StridedWalk) -> Float {
    var total: Float = 0
    let stride = reduced.rowStrideA
    let length = reduced.rowLength
    for row in 0..<reduced.rows {
        let source = x + reduced.place(row: row).a
        for i in 0..<length { total += source[i &* stride] }
    }
    return total
}
