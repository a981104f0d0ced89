/// Elementary functions with the same bits everywhere, within 0.51 ulp of the exact value.
///
/// No libm: each is a short series in Double, rounded once to Float. Only + − × ÷ and bit patterns are used,
/// which IEEE 754 fixes exactly, so Linux, Embedded and wasm agree.
public enum Scalar {
    /// eˣ; 0 far below, infinity far above, NaN of NaN.
    public static func exp(_ x: Float) -> Float {
        if x != x { return x }
        if x > 89 { return .infinity }
        if x < -104 { return 0 }
        return Float(exponential(Double(x)))
    }

    /// Natural logarithm; −infinity of zero, NaN of a negative number.
    public static func log(_ x: Float) -> Float {
        if x != x || x == .infinity { return x }
        if x == 0 { return -.infinity }
        if x < 0 { return .nan }
        // x = m · 2ᵉ with m in [√½, √2): ln x = e · ln 2 + 2 artanh((m − 1) / (m + 1)).
        let bits = Double(x).bitPattern
        var exponent = Int(bits >> 52) - 1023
        var m = Double(bitPattern: (bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000)
        if m > 1.414_213_562_373_095_1 {
            m *= 0.5
            exponent += 1
        }
        let s = (m - 1) / (m + 1)
        let t = s * s
        var series = 1.0 / 15
        series = series * t + 1.0 / 13
        series = series * t + 1.0 / 11
        series = series * t + 1.0 / 9
        series = series * t + 1.0 / 7
        series = series * t + 1.0 / 5
        series = series * t + 1.0 / 3
        series = series * t + 1
        return Float(Double(exponent) * 0.693_147_180_559_945_3 + 2 * s * series)
    }

    /// Hyperbolic tangent.
    public static func tanh(_ x: Float) -> Float {
        if x != x { return x }
        if x > 10 { return 1 }
        if x < -10 { return -1 }
        let wide = Double(x)
        if wide < 0.001 && wide > -0.001 { return Float(wide - wide * wide * wide / 3) }
        let square = exponential(2 * wide)
        return Float((square - 1) / (square + 1))
    }

    /// 1 / (1 + e⁻ˣ).
    public static func sigmoid(_ x: Float) -> Float {
        if x != x { return x }
        if x < -104 { return 0 }
        if x > 104 { return 1 }
        return Float(1 / (1 + exponential(-Double(x))))
    }

    /// eˣ for |x| < 700: x = n · ln 2 + r, Taylor series in |r| ≤ 0.347 to r¹³ (remainder below 2⁻⁵²).
    private static func exponential(_ x: Double) -> Double {
        let rounder = 6_755_399_441_055_744.0  // 1.5 · 2⁵²: adding it rounds to an integer
        let n = (x * 1.442_695_040_888_963_4 + rounder) - rounder
        // ln 2 in two parts, the first with trailing zeros, so that n · ln 2 is exact where it matters.
        let r = (x - n * 0.693_147_180_369_123_82) - n * 1.908_214_929_270_587_7e-10
        var series = 1.0 / 6_227_020_800
        series = series * r + 1.0 / 479_001_600
        series = series * r + 1.0 / 39_916_800
        series = series * r + 1.0 / 3_628_800
        series = series * r + 1.0 / 362_880
        series = series * r + 1.0 / 40_320
        series = series * r + 1.0 / 5_040
        series = series * r + 1.0 / 720
        series = series * r + 1.0 / 120
        series = series * r + 1.0 / 24
        series = series * r + 1.0 / 6
        series = series * r + 0.5
        series = series * r + 1
        series = series * r + 1
        return series * Double(bitPattern: UInt64(Int(n) + 1023) << 52)
    }
}
