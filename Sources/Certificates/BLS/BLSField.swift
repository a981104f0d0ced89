extension BLS12381 {
    /// What the curve formulas ask of the field of coordinates.
    package protocol Field: Equatable, Sendable {
        static var zero: Self { get }
        static var one: Self { get }
        static func + (a: Self, b: Self) -> Self
        static func - (a: Self, b: Self) -> Self
        static func * (a: Self, b: Self) -> Self
        static prefix func - (a: Self) -> Self
        var squared: Self { get }
        var doubled: Self { get }
        /// 1/a, and 0 for 0.
        var inverse: Self { get }
        var squareRoot: Self? { get }
        var isZero: Bool { get }
        /// Whether the element comes after its negative in the order of point compression.
        var isLarge: Bool { get }
        /// Becomes `other` where the mask is all ones, stays where it is zero.
        mutating func replace(with other: Self, where mask: UInt64)
        static var byteCount: Int { get }
        /// The element in `byteCount` big-endian bytes, the coefficient of u first.
        var bigEndian: [UInt8] { get }
        /// Reads exactly `byteCount` bytes; nil if a coefficient is not below p.
        init?(bigEndian bytes: ArraySlice<UInt8>)
    }
}

extension BLS12381.Fp: BLS12381.Field {}
