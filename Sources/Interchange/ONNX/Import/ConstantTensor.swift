/// A tensor whose numbers are known before any image is seen: a weight, or a shape that was computed.
struct ConstantTensor: Equatable {
    enum Values: Equatable {
        case floats([Float])
        /// Whole numbers and truth values.
        case integers([Int])

        var count: Int {
            switch self {
            case .floats(let values): values.count
            case .integers(let values): values.count
            }
        }
    }

    /// Empty for a scalar.
    var shape: [Int]
    var values: Values

    init(shape: [Int], floats: [Float]) {
        self.shape = shape
        values = .floats(floats)
    }

    init(shape: [Int], integers: [Int]) {
        self.shape = shape
        values = .integers(integers)
    }

    /// A vector.
    init(_ integers: [Int]) { self.init(shape: [integers.count], integers: integers) }

    var count: Int { values.count }

    /// The numbers as floats; whole numbers are converted.
    var floats: [Float] {
        switch values {
        case .floats(let values): values
        case .integers(let values): values.map { Float($0) }
        }
    }

    /// The numbers when they are whole numbers.
    var integers: [Int]? {
        if case .integers(let values) = values { values } else { nil }
    }

    /// The elements at `indexes`, in a new shape.
    func picking(_ indexes: [Int], shape: [Int]) -> ConstantTensor {
        switch values {
        case .floats(let values): ConstantTensor(shape: shape, floats: indexes.map { values[$0] })
        case .integers(let values): ConstantTensor(shape: shape, integers: indexes.map { values[$0] })
        }
    }

    /// The same numbers under another shape of as many elements.
    func reshaped(_ shape: [Int]) -> ConstantTensor {
        var copy = self
        copy.shape = shape
        return copy
    }
}

/// The product of sizes, nil when it overflows or a size is negative.
func elementCount(_ shape: [Int]) -> Int? {
    var count = 1
    for size in shape {
        guard size >= 0 else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow else { return nil }
        count = product
    }
    return count
}

/// Elements to step over for one step of each axis, row-major.
func rowMajorStrides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    return strides
}

/// Source positions of an array read along `strides` over `shape`, row-major.
func walk(_ shape: [Int], strides: [Int], offset: Int = 0) -> [Int] {
    let count = shape.reduce(1, *)
    var result: [Int] = []
    guard count > 0 else { return result }
    result.reserveCapacity(count)
    var at = [Int](repeating: 0, count: shape.count)
    var position = offset
    for _ in 0..<count {
        result.append(position)
        var axis = shape.count - 1
        while axis >= 0 {
            at[axis] += 1
            position += strides[axis]
            if at[axis] < shape[axis] { break }
            position -= shape[axis] * strides[axis]
            at[axis] = 0
            axis -= 1
        }
    }
    return result
}

/// Source positions of a transposed array and its shape.
func transposition(of shape: [Int], by permutation: [Int]) -> (indexes: [Int], shape: [Int]) {
    let strides = rowMajorStrides(shape)
    let result = permutation.map { shape[$0] }
    return (walk(result, strides: permutation.map { strides[$0] }), result)
}
