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
    var v = SIMD8<Float>.zero
    for lane in 0..<(count < 0 ? 0 : count) { v[lane] = p[lane] }
    return v
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
