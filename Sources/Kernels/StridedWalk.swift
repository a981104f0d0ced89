/// How to visit one or two operands in the row-major order of a result.
public struct StridedWalk: Sendable {
    public let extents: [Int]
    public let stridesA: [Int]
    public let stridesB: [Int]

    public init(extents: [Int], stridesA: [Int], stridesB: [Int]) {
        self.extents = extents
        self.stridesA = stridesA
        self.stridesB = stridesB
    }
}
