// Eight floats at a time, at any alignment, the same on every target.

@inline(__always)
func load8(_ p: UnsafePointer<Float>) -> SIMD8<Float> {
    UnsafeRawPointer(p).loadUnaligned(as: SIMD8<Float>.self)
}

@inline(__always)
func store8(_ v: SIMD8<Float>, _ p: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(p).storeBytes(of: v, as: SIMD8<Float>.self)
}

/// The first `count` (at most 8) floats; the other lanes are 0.
@inline(__always)
func load(_ p: UnsafePointer<Float>, _ count: Int) -> SIMD8<Float> {
    if count >= 8 { return load8(p) }
    if count <= 0 { return SIMD8() }
    let raw = UnsafeRawPointer(p)
    let four = count & 4 != 0 ? raw.loadUnaligned(as: SIMD4<Float>.self) : SIMD4()
    let next = count & 4
    let pair = count & 2 != 0 ? UnsafeRawPointer(p + next).loadUnaligned(as: SIMD2<Float>.self) : SIMD2()
    let one = count & 1 != 0 ? p[next &+ (count & 2)] : 0
    let rest = count & 2 != 0 ? SIMD4(pair.x, pair.y, one, 0) : SIMD4(one, 0, 0, 0)
    return count & 4 != 0 ? SIMD8(lowHalf: four, highHalf: rest) : SIMD8(lowHalf: rest, highHalf: SIMD4())
}

/// Writes the first `count` (at most 8) lanes.
@inline(__always)
func store(_ v: SIMD8<Float>, _ p: UnsafeMutablePointer<Float>, _ count: Int) {
    if count >= 8 { return store8(v, p) }
    if count <= 0 { return }
    var rest = v.lowHalf
    var at = 0
    if count & 4 != 0 {
        UnsafeMutableRawPointer(p).storeBytes(of: rest, as: SIMD4<Float>.self)
        rest = v.highHalf
        at = 4
    }
    if count & 2 != 0 {
        UnsafeMutableRawPointer(p + at).storeBytes(of: rest.lowHalf, as: SIMD2<Float>.self)
        at += 2
        rest = SIMD4(rest.z, rest.w, 0, 0)
    }
    if count & 1 != 0 { p[at] = rest.x }
}

@inline(__always)
func splat(_ x: Float) -> SIMD8<Float> { SIMD8(repeating: x) }
