/// Undoes the five row filters of PNG (ISO/IEC 15948, clause 9).
///
/// Rows are worked on by pixel, or by sixteen bytes where pixels do not depend on each other. Reads and writes may
/// run up to `slack` bytes over the end of a row, so that there are no rests to treat.
enum PNGFilter {
    static let slack = 16

    /// Writes to `line` the `count` bytes of the row whose filter byte is at `row`. `above` is the line before, or
    /// zeros; `distance` the bytes of a pixel, 1…8. False for a filter that PNG does not define.
    static func undo(
        _ row: UnsafePointer<UInt8>, above: UnsafePointer<UInt8>, into line: UnsafeMutablePointer<UInt8>,
        count: Int, distance: Int
    ) -> Bool {
        let from = UnsafeRawPointer(row + 1)
        let up = UnsafeRawPointer(above)
        let to = UnsafeMutableRawPointer(line)
        switch row.pointee {
        case 0: copy(from, to, count)
        case 1: sub(from, to, count, distance)
        case 2: add(from, up, to, count)
        case 3: average(from, up, to, count, distance)
        case 4 where distance == 1: paeth(from, up, to, count)
        case 4: paeth(from, up, to, count, distance)
        default: return false
        }
        return true
    }

    /// Copies `count` bytes, in sixteens.
    static func copy(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ count: Int) {
        var i = 0
        while i < count {
            let bytes = from.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
            to.storeBytes(of: bytes, toByteOffset: i, as: SIMD16<UInt8>.self)
            i &+= 16
        }
    }

    private static func add(
        _ from: UnsafeRawPointer, _ up: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ count: Int
    ) {
        var i = 0
        while i < count {
            let bytes = from.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
            let above = up.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
            to.storeBytes(of: bytes &+ above, toByteOffset: i, as: SIMD16<UInt8>.self)
            i &+= 16
        }
    }

    /// The eight bytes from `i` on, of which those of one pixel count.
    @inline(__always)
    private static func pixel(_ bytes: UnsafeRawPointer, _ i: Int) -> SIMD8<UInt8> {
        bytes.loadUnaligned(fromByteOffset: i, as: SIMD8<UInt8>.self)
    }

    private static func sub(
        _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ count: Int, _ distance: Int
    ) {
        var left = SIMD8<UInt8>()
        var i = 0
        while i < count {
            left &+= pixel(from, i)
            to.storeBytes(of: left, toByteOffset: i, as: SIMD8<UInt8>.self)
            i &+= distance
        }
    }

    private static func average(
        _ from: UnsafeRawPointer, _ up: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ count: Int,
        _ distance: Int
    ) {
        var left = SIMD8<UInt16>()
        var i = 0
        while i < count {
            let above = SIMD8<UInt16>(truncatingIfNeeded: pixel(up, i))
            let mean = SIMD8<UInt8>(truncatingIfNeeded: (left &+ above) &>> 1)
            let bytes = pixel(from, i) &+ mean
            to.storeBytes(of: bytes, toByteOffset: i, as: SIMD8<UInt8>.self)
            left = SIMD8<UInt16>(truncatingIfNeeded: bytes)
            i &+= distance
        }
    }

    private static func paeth(
        _ from: UnsafeRawPointer, _ up: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ count: Int,
        _ distance: Int
    ) {
        var left = SIMD8<Int16>()
        var corner = SIMD8<Int16>()
        var i = 0
        while i < count {
            let above = SIMD8<Int16>(truncatingIfNeeded: pixel(up, i))
            let byLeft = above &- corner
            let byUp = left &- corner
            let (farLeft, farUp, farCorner) = (magnitude(byLeft), magnitude(byUp), magnitude(byLeft &+ byUp))
            let notLeft = (farUp &- farLeft) &>> 15 | (farCorner &- farLeft) &>> 15
            let notUp = (farCorner &- farUp) &>> 15
            let other = above & ~notUp | corner & notUp
            let guess = left & ~notLeft | other & notLeft
            let bytes = pixel(from, i) &+ SIMD8<UInt8>(truncatingIfNeeded: guess)
            to.storeBytes(of: bytes, toByteOffset: i, as: SIMD8<UInt8>.self)
            left = SIMD8<Int16>(truncatingIfNeeded: bytes)
            corner = above
            i &+= distance
        }
    }

    @inline(__always)
    private static func magnitude(_ value: SIMD8<Int16>) -> SIMD8<Int16> {
        let sign = value &>> 15
        return (value ^ sign) &- sign
    }

    /// The same for pixels of one byte.
    private static func paeth(
        _ from: UnsafeRawPointer, _ up: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ count: Int
    ) {
        var left: Int32 = 0
        var corner: Int32 = 0
        for i in 0..<count {
            let above = Int32(up.load(fromByteOffset: i, as: UInt8.self))
            let byLeft = abs(above &- corner)
            let byUp = abs(left &- corner)
            let byCorner = abs(left &+ above &- corner &- corner)
            let other = byUp <= byCorner ? above : corner
            let guess = byLeft <= byUp && byLeft <= byCorner ? left : other
            left = (Int32(from.load(fromByteOffset: i, as: UInt8.self)) &+ guess) & 255
            to.storeBytes(of: UInt8(truncatingIfNeeded: left), toByteOffset: i, as: UInt8.self)
            corner = above
        }
    }
}
