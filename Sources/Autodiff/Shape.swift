/// The extents of an array, outermost first, at most six, stored inline.
///
/// An array literal makes one: `[128, 28, 28, 1]`. A scalar has rank 0 and one element.
public struct Shape: Equatable, Sendable, ExpressibleByArrayLiteral {
    public static let maximumRank = 6

    public private(set) var rank: Int
    private var extents: (Int, Int, Int, Int, Int, Int) = (1, 1, 1, 1, 1, 1)

    /// One element, no axis.
    public static let scalar: Shape = []

    public init(_ dimensions: [Int]) {
        precondition(dimensions.count <= Shape.maximumRank, "at most six axes")
        rank = dimensions.count
        for axis in 0..<rank { self[axis] = dimensions[axis] }
    }

    public init(arrayLiteral dimensions: Int...) { self.init(dimensions) }

    /// The extent of an axis; axes count from the outermost, 0.
    public subscript(axis: Int) -> Int {
        get {
            precondition(axis >= 0 && axis < rank, "axis out of range")
            switch axis {
            case 0: return extents.0
            case 1: return extents.1
            case 2: return extents.2
            case 3: return extents.3
            case 4: return extents.4
            default: return extents.5
            }
        }
        set {
            precondition(axis >= 0 && axis < rank, "axis out of range")
            switch axis {
            case 0: extents.0 = newValue
            case 1: extents.1 = newValue
            case 2: extents.2 = newValue
            case 3: extents.3 = newValue
            case 4: extents.4 = newValue
            default: extents.5 = newValue
            }
        }
    }

    /// The number of elements.
    public var count: Int {
        extents.0 * extents.1 * extents.2 * extents.3 * extents.4 * extents.5
    }

    /// The extents as an array.
    public var dimensions: [Int] {
        var all: [Int] = []
        for axis in 0..<rank { all.append(self[axis]) }
        return all
    }

    public static func == (a: Shape, b: Shape) -> Bool {
        a.rank == b.rank && a.extents == b.extents
    }

    /// The shape that both broadcast to by NumPy's rule, or nil when some axis disagrees.
    public func broadcast(with other: Shape) -> Shape? {
        var result = rank >= other.rank ? self : other
        for back in 1..<(result.rank + 1) {
            let a = back <= rank ? self[rank - back] : 1
            let b = back <= other.rank ? other[other.rank - back] : 1
            if a != b && a != 1 && b != 1 { return nil }
            result[result.rank - back] = a == 1 ? b : a
        }
        return result
    }

    /// Distances between neighbours along each axis in row-major order, 0 where the extent is 1, written for
    /// the axes of `target`, to which this shape broadcasts.
    func strides(in target: Shape) -> [Int] {
        var strides = [Int](repeating: 0, count: target.rank)
        var stride = 1
        for back in 1..<(rank + 1) {
            let extent = self[rank - back]
            strides[target.rank - back] = extent == 1 ? 0 : stride
            stride *= extent
        }
        return strides
    }
}
