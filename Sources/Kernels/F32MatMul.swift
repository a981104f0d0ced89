/// Sizes and transpositions of c = a·b (+ bias), where c is [m, n] and the summed index has k values.
public struct F32MatMul: Sendable {
    public let m: Int
    public let n: Int
    public let k: Int
    /// a is stored [k, m] instead of [m, k].
    public let transposeA: Bool
    /// b is stored [n, k] instead of [k, n].
    public let transposeB: Bool

    public init(m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false) {
        self.m = m
        self.n = n
        self.k = k
        self.transposeA = transposeA
        self.transposeB = transposeB
    }

    /// Packing b costs k·n moves; it pays off unless b can be read in place with little reuse.
    private var packs: Bool { transposeB || n % 8 != 0 || (n > 16 && m > 12) }

    /// Floats of scratch memory that `f32MatMul` needs.
    public var scratchCount: Int { packs ? f32PackedCount(depth: k, columns: n) : 0 }

    /// Writes c[i, j] = bias[j] + Σₚ a(i, p)·b(p, j), p ascending.
    public func callAsFunction(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        _ c: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        let size = self
        if packs && transposeB {
            f32PackPanels(b, depth: k, columns: n, into: scratch, workers: workers) { p, j in j &* size.k &+ p
            }
        } else if packs {
            f32PackPanels(b, depth: k, columns: n, into: scratch, workers: workers) { p, j in p &* size.n &+ j
            }
        }
        let product = F32Product(
            rows: m, columns: n, depth: F32Depth(length: k, stride: transposeA ? m : 1),
            b: packs ? UnsafePointer(scratch) : b, bStride: packs ? 16 : n, bPanelStride: packs ? 16 * k : 16,
            start: bias, startStride: 0)
        let rowStride = transposeA ? 1 : k
        workers.forEachRange(product.units, grain: product.grain(500_000)) { range in
            product.compute(range, a: a, c: c, cStride: size.n) { $0 &* rowStride }
        }
    }
}
