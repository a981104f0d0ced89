/// Memory of one array; the plan places it when it is known how long each array is needed.
final class Storage {
    /// Rounded up to whole cache lines; what is beyond the numbers is zero.
    private(set) var byteCount: Int
    /// Those of one group of images, of a value that has its images in lanes.
    private let groupByteCount: Int?
    /// Whether there is memory for one group of images at a time, for each thread.
    private(set) var isPassing = false
    /// Keeps its memory from step to step: leaves and outputs.
    var isLasting: Bool
    /// From the first to the last step that touches it; several where it is made again.
    private(set) var lifetimes: [ClosedRange<Int>] = []
    /// Set when the arena is laid out, or from the start when the array lives elsewhere.
    var address: UnsafeMutableRawPointer?
    /// From the memory of one thread to that of the next, in bytes, where each has its own.
    var threadStep = 0
    /// Whose memory `address` is, when it lives elsewhere.
    let owner: AnyObject?

    init(byteCount: Int, groups: Int? = nil, lasting: Bool = false) {
        self.byteCount = (byteCount + 63) / 64 * 64
        groupByteCount = groups.map { byteCount / $0 }
        isLasting = lasting
        owner = nil
    }

    init(byteCount: Int, at address: UnsafeMutableRawPointer, of owner: AnyObject) {
        self.byteCount = byteCount
        groupByteCount = nil
        isLasting = true
        self.address = address
        self.owner = owner
    }

    func touch(_ step: Int) {
        lifetimes = [min(lifetimes.first?.lowerBound ?? step, step)...max(lifetimes.first?.upperBound ?? step, step)]
    }

    var isOfGroups: Bool { groupByteCount != nil }

    /// Needs memory for one group of images at a time, for each thread, during these steps.
    func pass(_ steps: [ClosedRange<Int>]) {
        guard let groupByteCount else { preconditionFailure("not a value with its images in lanes") }
        byteCount = (groupByteCount + 63) / 64 * 64
        lifetimes = steps
        isPassing = true
    }

    var pointer: UnsafeMutableRawPointer {
        guard let address else { preconditionFailure("the memory is not laid out yet") }
        return address
    }

    var floats: UnsafeMutablePointer<Float> { pointer.assumingMemoryBound(to: Float.self) }
}

/// The numbers of one value in one layout; several may hold the same value.
struct Tensor {
    let layout: Layout
    let storage: Storage

    init(_ layout: Layout, lasting: Bool = false) {
        self.init(layout, Storage(byteCount: layout.byteCount, groups: layout.lanes?.groups, lasting: lasting))
    }

    init(_ layout: Layout, _ storage: Storage) {
        self.layout = layout
        self.storage = storage
    }
}
