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
        return Float(logarithm(Double(x)))
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

    /// The error function, 2/√π ∫₀ˣ e^(−t²) dt.
    ///
    /// 2x/√π · e^(−x²) · Σ (2x²)ⁿ / (1·3·…·(2n + 1)): all terms positive (Abramowitz and Stegun, 7.1.6).
    public static func erf(_ x: Float) -> Float {
        if x != x { return x }
        if x > 4 { return 1 }
        if x < -4 { return -1 }
        let wide = Double(x)
        let square = wide * wide
        var term = 1.0
        var total = 1.0
        var odd = 3.0
        while term > total * 1e-17 {
            term *= 2 * square / odd
            total += term
            odd += 2
        }
        return Float(1.128_379_167_095_512_6 * wide * exponential(-square) * total)
    }

    /// x to a power; NaN for a negative x unless the exponent is an integer of at most 64.
    public static func power(_ x: Float, _ exponent: Float) -> Float {
        if exponent >= -64, exponent <= 64, Float(Int32(exponent)) == exponent {
            let power = integerPower(Double(x), Int(exponent.magnitude))
            return Float(exponent < 0 ? 1 / power : power)
        }
        if x != x || exponent != exponent || x < 0 { return .nan }
        if x == 0 || x == .infinity { return (x == 0) == (exponent > 0) ? 0 : .infinity }
        let logarithm = Double(exponent) * logarithm(Double(x))
        if logarithm > 89 { return .infinity }
        if logarithm < -104 { return 0 }
        return Float(exponential(logarithm))
    }

    /// x multiplied with itself, by squaring.
    public static func integerPower(_ x: Double, _ exponent: Int) -> Double {
        var result = 1.0
        var square = x
        var rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { result *= square }
            square *= square
            rest >>= 1
        }
        return result
    }

    /// cos(π·x) for x in 0 ... 1, by the Taylor series around the nearer of 0 and 1, or of the sine around ½.
    public static func cosineOfHalfTurns(_ x: Double) -> Double {
        if x > 0.5 { return -cosineOfHalfTurns(1 - x) }
        let near = x <= 0.25
        let angle = (near ? x : 0.5 - x) * 3.141_592_653_589_793_1
        let square = angle * angle
        // cos a = Σ (−a²)ⁿ / (2n)!, sin a = a Σ (−a²)ⁿ / (2n + 1)!; |a| ≤ π/4: the remainder is below 2⁻⁵².
        var series = 1.0
        var n = 16.0
        while n > 0 {
            series = 1 - series * square / (near ? n * (n - 1) : n * (n + 1))
            n -= 2
        }
        return near ? series : angle * series
    }

    /// Natural logarithm of a positive number in the range of Float.
    private static func logarithm(_ x: Double) -> Double {
        // x = m · 2ᵉ with m in [√½, √2): ln x = e · ln 2 + 2 artanh((m − 1) / (m + 1)).
        let bits = x.bitPattern
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
        return Double(exponent) * 0.693_147_180_559_945_3 + 2 * s * series
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
