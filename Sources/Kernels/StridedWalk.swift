/// How to visit one or two operands in the row-major order of a result.
///
/// Axes that go on from each other are joined, so that rows are as long as they can be. Strides are in elements;
/// 0 repeats an element along an axis.
public struct StridedWalk: Equatable, Sendable {
    /// Without axes of extent 1; at least one axis.
    private let extents: [Int]
    private let stridesA: [Int]
    private let stridesB: [Int]
    /// How many rows the result has.
    public let rows: Int

    /// - Parameter stridesB: nil when there is one operand.
    public init(extents: [Int], stridesA: [Int], stridesB: [Int]? = nil) {
        let second = stridesB ?? stridesA
        var e: [Int] = []
        var a: [Int] = []
        var b: [Int] = []
        for axis in 0..<extents.count where extents[axis] != 1 {
            let last = e.count - 1
            if last >= 0 && a[last] == stridesA[axis] * extents[axis]
                && b[last] == second[axis] * extents[axis]
            {
                e[last] *= extents[axis]
                a[last] = stridesA[axis]
                b[last] = second[axis]
            } else {
                e.append(extents[axis])
                a.append(stridesA[axis])
                b.append(second[axis])
            }
        }
        if e.isEmpty {
            e = [1]
            a = [1]
            b = [1]
        }
        self.extents = e
        self.stridesA = a
        self.stridesB = b
        var outer = 1
        for axis in 0..<e.count - 1 { outer *= e[axis] }
        rows = outer
    }

    public var rowLength: Int { extents[extents.count - 1] }
    public var rowStrideA: Int { stridesA[stridesA.count - 1] }
    public var rowStrideB: Int { stridesB[stridesB.count - 1] }

    /// Where a row begins in each operand.
    public func place(row: Int) -> (a: Int, b: Int) {
        var rest = row
        var a = 0
        var b = 0
        var axis = extents.count - 2
        while axis >= 0 {
            let next = rest / extents[axis]
            let index = rest - next * extents[axis]
            a += index * stridesA[axis]
            b += index * stridesB[axis]
            rest = next
            axis -= 1
        }
        return (a, b)
    }
}
