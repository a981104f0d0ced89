import CSIMD

/// A few vectors of four 32-bit lanes; a lane is an output channel.
///
/// Rows and tiles are composed from generic structs that the optimizer takes apart completely: what remains of a
/// `PixelPair<PixelPair<Pixel<RowPair<Row2>>>>` is sixteen values in registers or wasm locals.
protocol QS8Row {
    /// Vectors of four output channels.
    static var vectors: Int { get }
    /// Accumulators that start from the bias.
    init(bias: UnsafePointer<Int32>)
    /// Weights of one pair of inputs: `[vectors][4][2]` int8 widened to 16 bits.
    init(weights: UnsafePointer<Int8>)
    /// Weights of one pair of inputs that have 16 bits already.
    init(wide weights: UnsafePointer<Int16>)
    static var zero: Self { get }
    /// self += pair · weights, the pair of inputs being the same for all lanes.
    mutating func accumulate(_ pair: SIMD4<Int32>, _ weights: Self)
    func maximum(_ other: Self) -> Self
    func requantised(_ multipliers: UnsafePointer<Float>) -> Self
    /// Bits of `4 * vectors` multipliers.
    init(factors: UnsafePointer<Float>)
    func requantised(by factors: Self) -> Self
    /// Stores `4 * vectors` 32-bit numbers.
    func store(_ output: UnsafeMutablePointer<Int32>)
    /// Stores `4 * vectors` 16-bit numbers within `low…high`.
    func store(_ output: UnsafeMutablePointer<Int16>, low: SIMD4<Int32>, high: SIMD4<Int32>)
}

/// Four output channels.
struct Row1: QS8Row {
    var v: SIMD4<Int32>

    @inline(__always) static var vectors: Int { 1 }
    @inline(__always) init(_ v: SIMD4<Int32>) { self.v = v }
    @inline(__always) init(bias: UnsafePointer<Int32>) { v = lanes_load(bias) }
    @inline(__always) init(weights: UnsafePointer<Int8>) { v = lanes_widen_i8(weights) }
    @inline(__always) init(wide weights: UnsafePointer<Int16>) { v = lanes_load(weights) }
    @inline(__always) static var zero: Row1 { Row1(.zero) }

    @inline(__always) mutating func accumulate(_ pair: SIMD4<Int32>, _ weights: Row1) {
        v = lanes_add_i32(v, lanes_dot_i16(pair, weights.v))
    }

    @inline(__always) func maximum(_ other: Row1) -> Row1 { Row1(lanes_max_i32(v, other.v)) }

    @inline(__always) init(factors: UnsafePointer<Float>) { v = lanes_load(factors) }
    @inline(__always) func requantised(by factors: Row1) -> Row1 { Row1(lanes_requantise(v, factors.v)) }

    @inline(__always) func requantised(_ multipliers: UnsafePointer<Float>) -> Row1 {
        Row1(lanes_requantise(v, lanes_load(multipliers)))
    }

    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>) { lanes_store(output, v) }

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

    @inline(__always) init(bias: UnsafePointer<Int32>) {
        self.init(Row1(bias: bias), Row1(bias: bias + 4))
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

    @inline(__always) init(factors: UnsafePointer<Float>) {
        self.init(Row1(factors: factors), Row1(factors: factors + 4))
    }

    @inline(__always) func requantised(by factors: Row2) -> Row2 {
        Row2(a.requantised(by: factors.a), b.requantised(by: factors.b))
    }

    @inline(__always) func requantised(_ multipliers: UnsafePointer<Float>) -> Row2 {
        Row2(a.requantised(multipliers), b.requantised(multipliers + 4))
    }

    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>) {
        a.store(output)
        b.store(output + 4)
    }

    @inline(__always)
    func store(_ output: UnsafeMutablePointer<Int16>, low: SIMD4<Int32>, high: SIMD4<Int32>) {
        lanes_store(output, lanes_min_i16(lanes_max_i16(lanes_narrow(a.v, b.v), low), high))
    }
}

/// Two rows side by side.
struct RowPair<Half: QS8Row>: QS8Row {
    var a: Half
    var b: Half

    @inline(__always) static var vectors: Int { Half.vectors &* 2 }

    @inline(__always) init(_ a: Half, _ b: Half) {
        self.a = a
        self.b = b
    }

    @inline(__always) init(bias: UnsafePointer<Int32>) {
        self.init(Half(bias: bias), Half(bias: bias + Half.vectors &* 4))
    }

    @inline(__always) init(weights: UnsafePointer<Int8>) {
        self.init(Half(weights: weights), Half(weights: weights + Half.vectors &* 8))
    }

    @inline(__always) init(wide weights: UnsafePointer<Int16>) {
        self.init(Half(wide: weights), Half(wide: weights + Half.vectors &* 8))
    }

    @inline(__always) static var zero: RowPair { RowPair(Half.zero, Half.zero) }

    @inline(__always) mutating func accumulate(_ pair: SIMD4<Int32>, _ weights: RowPair) {
        a.accumulate(pair, weights.a)
        b.accumulate(pair, weights.b)
    }

    @inline(__always) func maximum(_ other: RowPair) -> RowPair {
        RowPair(a.maximum(other.a), b.maximum(other.b))
    }

    @inline(__always) init(factors: UnsafePointer<Float>) {
        self.init(Half(factors: factors), Half(factors: factors + Half.vectors &* 4))
    }

    @inline(__always) func requantised(by factors: RowPair) -> RowPair {
        RowPair(a.requantised(by: factors.a), b.requantised(by: factors.b))
    }

    @inline(__always) func requantised(_ multipliers: UnsafePointer<Float>) -> RowPair {
        RowPair(a.requantised(multipliers), b.requantised(multipliers + Half.vectors &* 4))
    }

    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>) {
        a.store(output)
        b.store(output + Half.vectors &* 4)
    }

    @inline(__always)
    func store(_ output: UnsafeMutablePointer<Int16>, low: SIMD4<Int32>, high: SIMD4<Int32>) {
        a.store(output, low: low, high: high)
        b.store(output + Half.vectors &* 4, low: low, high: high)
    }
}
