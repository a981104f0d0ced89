import CSIMD

/// A few vectors of four 32-bit lanes; a lane is an output channel.
///
/// Rows are composed from generic structs that the optimizer takes apart completely: what remains of a
/// `RowPair<RowPair<Row2>>` is eight values in registers or wasm locals.
protocol QS8Row {
    /// Vectors of four output channels.
    static var vectors: Int { get }
    /// `4 * vectors` 32-bit numbers: sums, biases, or the bits of multipliers.
    init(_ numbers: UnsafePointer<Int32>)
    /// The same with `step` numbers from one vector to the next.
    init(_ numbers: UnsafePointer<Int32>, step: Int)
    /// Weights of one pair of inputs: `[vectors][4][2]` int8 widened to 16 bits.
    init(weights: UnsafePointer<Int8>)
    /// Weights of one pair of inputs that have 16 bits already.
    init(wide weights: UnsafePointer<Int16>)
    static var zero: Self { get }
    /// self += pair · weights, the pair of inputs being the same for all lanes.
    mutating func accumulate(_ pair: SIMD4<Int32>, _ weights: Self)
    func maximum(_ other: Self) -> Self
    func requantised(by factors: Self) -> Self
    /// Stores `4 * vectors` 32-bit numbers, `step` from one vector to the next.
    func store(_ output: UnsafeMutablePointer<Int32>, step: Int)
    /// Stores `4 * vectors` 16-bit numbers within `low…high`.
    func store(_ output: UnsafeMutablePointer<Int16>, low: SIMD4<Int32>, high: SIMD4<Int32>)
}

extension QS8Row {
    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>) { store(output, step: 4) }

    /// Bits of `4 * vectors` multipliers.
    @inline(__always) init(factors: UnsafePointer<Float>) {
        self.init(UnsafeRawPointer(factors).assumingMemoryBound(to: Int32.self))
    }
}

/// Four output channels.
struct Row1: QS8Row {
    var v: SIMD4<Int32>

    @inline(__always) static var vectors: Int { 1 }
    @inline(__always) init(_ v: SIMD4<Int32>) { self.v = v }
    @inline(__always) init(_ numbers: UnsafePointer<Int32>) { v = lanes_load(numbers) }
    @inline(__always) init(_ numbers: UnsafePointer<Int32>, step: Int) { v = lanes_load(numbers) }
    @inline(__always) init(weights: UnsafePointer<Int8>) { v = lanes_widen_i8(weights) }
    @inline(__always) init(wide weights: UnsafePointer<Int16>) { v = lanes_load(weights) }
    @inline(__always) static var zero: Row1 { Row1(.zero) }

    @inline(__always) mutating func accumulate(_ pair: SIMD4<Int32>, _ weights: Row1) {
        v = lanes_add_i32(v, lanes_dot_i16(pair, weights.v))
    }

    @inline(__always) func maximum(_ other: Row1) -> Row1 { Row1(lanes_max_i32(v, other.v)) }
    @inline(__always) func requantised(by factors: Row1) -> Row1 { Row1(lanes_requantise(v, factors.v)) }
    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>, step: Int) { lanes_store(output, v) }

    @inline(__always)
    func store(_ output: UnsafeMutablePointer<Int16>, low: SIMD4<Int32>, high: SIMD4<Int32>) {
        lanes_store_half(output, lanes_min_i16(lanes_max_i16(lanes_narrow(v, v), low), high))
    }
}

/// Eight output channels, which narrow into one vector.
struct Row2: QS8Row {
    var a: Row1
    var b: Row1

    @inline(__always) static var vectors: Int { 2 }

    @inline(__always) init(_ a: Row1, _ b: Row1) {
        self.a = a
        self.b = b
    }

    @inline(__always) init(_ numbers: UnsafePointer<Int32>) { self.init(numbers, step: 4) }

    @inline(__always) init(_ numbers: UnsafePointer<Int32>, step: Int) {
        self.init(Row1(numbers), Row1(numbers + step))
    }

    @inline(__always) init(weights: UnsafePointer<Int8>) {
        self.init(Row1(weights: weights), Row1(weights: weights + 8))
    }

    @inline(__always) init(wide weights: UnsafePointer<Int16>) {
        self.init(Row1(wide: weights), Row1(wide: weights + 8))
    }

    @inline(__always) static var zero: Row2 { Row2(Row1.zero, Row1.zero) }

    @inline(__always) mutating func accumulate(_ pair: SIMD4<Int32>, _ weights: Row2) {
        a.accumulate(pair, weights.a)
        b.accumulate(pair, weights.b)
    }

    @inline(__always) func maximum(_ other: Row2) -> Row2 { Row2(a.maximum(other.a), b.maximum(other.b)) }

    @inline(__always) func requantised(by factors: Row2) -> Row2 {
        Row2(a.requantised(by: factors.a), b.requantised(by: factors.b))
    }

    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>, step: Int) {
        a.store(output, step: step)
        b.store(output + step, step: step)
    }

    @inline(__always)
    func store(_ output: UnsafeMutablePointer<Int16>, low: SIMD4<Int32>, high: SIMD4<Int32>) {
        lanes_store(output, lanes_min_i16(lanes_max_i16(lanes_narrow(a.v, b.v), low), high))
    }
}

/// Two rows side by side.
struct RowJoin<A: QS8Row, B: QS8Row>: QS8Row {
    var a: A
    var b: B

    @inline(__always) static var vectors: Int { A.vectors &+ B.vectors }

    @inline(__always) init(_ a: A, _ b: B) {
        self.a = a
        self.b = b
    }

    @inline(__always) init(_ numbers: UnsafePointer<Int32>) { self.init(numbers, step: 4) }

    @inline(__always) init(_ numbers: UnsafePointer<Int32>, step: Int) {
        self.init(A(numbers, step: step), B(numbers + A.vectors &* step, step: step))
    }

    @inline(__always) init(weights: UnsafePointer<Int8>) {
        self.init(A(weights: weights), B(weights: weights + A.vectors &* 8))
    }

    @inline(__always) init(wide weights: UnsafePointer<Int16>) {
        self.init(A(wide: weights), B(wide: weights + A.vectors &* 8))
    }

    @inline(__always) static var zero: RowJoin { RowJoin(A.zero, B.zero) }

    @inline(__always) mutating func accumulate(_ pair: SIMD4<Int32>, _ weights: RowJoin) {
        a.accumulate(pair, weights.a)
        b.accumulate(pair, weights.b)
    }

    @inline(__always) func maximum(_ other: RowJoin) -> RowJoin {
        RowJoin(a.maximum(other.a), b.maximum(other.b))
    }

    @inline(__always) func requantised(by factors: RowJoin) -> RowJoin {
        RowJoin(a.requantised(by: factors.a), b.requantised(by: factors.b))
    }

    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>, step: Int) {
        a.store(output, step: step)
        b.store(output + A.vectors &* step, step: step)
    }

    @inline(__always)
    func store(_ output: UnsafeMutablePointer<Int16>, low: SIMD4<Int32>, high: SIMD4<Int32>) {
        a.store(output, low: low, high: high)
        b.store(output + A.vectors &* 4, low: low, high: high)
    }
}
