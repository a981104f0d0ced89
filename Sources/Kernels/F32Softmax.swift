/// Writes eˣ / Σ eˣ for each row of `length`, after taking the maximum of the row away.
public func f32Softmax(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, length: Int, workers: Workers
) {
    workers.forEachRange(rows, grain: max(1, 1024 / length)) { range in
        for row in range {
            let source = x + row * length
            let target = y + row * length
            let maximum = largest(source, length)
            var total: Float = 0
            for i in 0..<length {
                let power = Scalar.exp(source[i] - maximum)
                target[i] = power
                total += power
            }
            for i in 0..<length { target[i] = target[i] / total }
        }
    }
}

/// Writes x − log Σ eˣ for each row of `length`, after taking the maximum of the row away.
public func f32LogSoftmax(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, length: Int, workers: Workers
) {
    workers.forEachRange(rows, grain: max(1, 1024 / length)) { range in
        for row in range {
            let source = x + row * length
            let target = y + row * length
            let maximum = largest(source, length)
            var total: Float = 0
            for i in 0..<length { total += Scalar.exp(source[i] - maximum) }
            let logarithm = Scalar.log(total)
            for i in 0..<length { target[i] = (source[i] - maximum) - logarithm }
        }
    }
}

private func largest(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    var maximum = x[0]
    for i in 1..<max(1, count) where x[i] > maximum { maximum = x[i] }
    return maximum
}
