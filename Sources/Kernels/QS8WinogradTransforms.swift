import CSIMD

/// Six vectors, and the one-dimensional transforms of Winograd F(4, 3) between them.
struct QS8WinogradSix {
    var a, b, c, d, e, f: SIMD4<Int32>

    @inline(__always)
    init(
        _ a: SIMD4<Int32>, _ b: SIMD4<Int32>, _ c: SIMD4<Int32>, _ d: SIMD4<Int32>, _ e: SIMD4<Int32>,
        _ f: SIMD4<Int32>
    ) {
        self.a = a
        self.b = b
        self.c = c
        self.d = d
        self.e = e
        self.f = f
    }

    /// Six vectors of eight 16-bit numbers, or of four 32-bit ones, `step` numbers apart.
    @inline(__always)
    init<Number>(_ p: UnsafePointer<Number>, _ step: Int) {
        self.init(
            lanes_load(p), lanes_load(p + step), lanes_load(p + 2 &* step), lanes_load(p + 3 &* step),
            lanes_load(p + 4 &* step), lanes_load(p + 5 &* step))
    }

    @inline(__always)
    func store(_ p: UnsafeMutablePointer<Int16>, _ step: Int) {
        lanes_store(p, a)
        lanes_store(p + step, b)
        lanes_store(p + 2 &* step, c)
        lanes_store(p + 3 &* step, d)
        lanes_store(p + 4 &* step, e)
        lanes_store(p + 5 &* step, f)
    }

    /// The input at the six points, in 16 bits: rows (4 0 −5 0 1 0) (0 −4 −4 1 1 0) (0 4 −4 −1 1 0) (0 −2 −1 2 1 0)
    /// (0 2 −1 −2 1 0) (0 4 0 −5 0 1). `two` and `four` hold 2 and 4, out of the compiler's sight: a product costs
    /// less than the shift it would make of it.
    @inline(__always)
    func inputPoints(_ two: SIMD4<Int32>, _ four: SIMD4<Int32>) -> QS8WinogradSix {
        let ca = lanes_sub_i16(a, c)
        let db = lanes_mul_i16(lanes_sub_i16(d, b), two)
        let ec = lanes_sub_i16(e, c)
        let even = lanes_sub_i16(e, lanes_mul_i16(c, four))
        let odd = lanes_sub_i16(d, lanes_mul_i16(b, four))
        return QS8WinogradSix(
            lanes_add_i16(lanes_mul_i16(ca, four), ec), lanes_add_i16(even, odd), lanes_sub_i16(even, odd),
            lanes_add_i16(ec, db), lanes_sub_i16(ec, db),
            lanes_sub_i16(lanes_sub_i16(f, d), lanes_mul_i16(db, two)))
    }

    /// The four outputs of six products, in 32 bits: rows (1 1 1 1 1 0) (0 1 −1 2 −2 0) (0 1 1 4 4 0) (0 1 −1 8 −8 3).
    @inline(__always)
    var outputs: QS8WinogradFour {
        let s12 = lanes_add_i32(b, c)
        let d12 = lanes_sub_i32(b, c)
        let s34 = lanes_add_i32(d, e)
        let d34 = lanes_sub_i32(d, e)
        let twice = lanes_add_i32(d34, d34)
        return QS8WinogradFour(
            lanes_add_i32(lanes_add_i32(a, s12), s34), lanes_add_i32(d12, twice),
            lanes_add_i32(s12, lanes_mul_i32(s34, lanes_splat_i32(4))),
            lanes_add_i32(
                lanes_add_i32(d12, lanes_mul_i32(twice, lanes_splat_i32(4))),
                lanes_mul_i32(f, lanes_splat_i32(3))))
    }
}

struct QS8WinogradFour {
    var a, b, c, d: SIMD4<Int32>

    @inline(__always)
    init(_ a: SIMD4<Int32>, _ b: SIMD4<Int32>, _ c: SIMD4<Int32>, _ d: SIMD4<Int32>) {
        self.a = a
        self.b = b
        self.c = c
        self.d = d
    }

    /// 64 Y of 576 Y: products with the inverse of 9 modulo 2^32.
    @inline(__always)
    var exact: QS8WinogradFour {
        let ninth = lanes_splat_i32(954_437_177)
        return QS8WinogradFour(
            lanes_mul_i32(a, ninth), lanes_mul_i32(b, ninth), lanes_mul_i32(c, ninth), lanes_mul_i32(d, ninth))
    }

    /// The largest of each 2x2, `other` being the row below.
    @inline(__always)
    func pooled(_ other: QS8WinogradFour) -> (SIMD4<Int32>, SIMD4<Int32>) {
        (
            lanes_max_i32(lanes_max_i32(a, b), lanes_max_i32(other.a, other.b)),
            lanes_max_i32(lanes_max_i32(c, d), lanes_max_i32(other.c, other.d))
        )
    }
}
