/// Memory of one array; the plan places it when it is known how long each array is needed.
final class Storage {
    /// Rounded up to whole cache lines; what is beyond the numbers is zero.
    let byteCount: Int
    /// Keeps its memory from step to step: leaves and outputs.
    var isLasting: Bool
    /// The first and the last step that touches it.
    private(set) var lifetime: ClosedRange<Int>?
    /// Set when the arena is laid out, or from the start when the array lives elsewhere.
    var address: UnsafeMutableRawPointer?
    /// Whose memory `address` is, when it lives elsewhere.
    let owner: AnyObject?

    init(byteCount: Int, lasting: Bool = false) {
        self.byteCount = (byteCount + 63) / 64 * 64
        isLasting = lasting
        owner = nil
    }

    init(byteCount: Int, at address: UnsafeMutableRawPointer, of owner: AnyObject) {
        self.byteCount = byteCount
        isLasting = true
        self.address = address
        self.owner = owner
    }

    func touch(_ step: Int) {
        lifetime = min(lifetime?.lowerBound ?? step, step)...max(lifetime?.upperBound ?? step, step)
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
        self.init(layout, Storage(byteCount: layout.byteCount, lasting: lasting))
    }

    init(_ layout: Layout, _ storage: Storage) {
        self.layout = layout
        self.storage = storage
    }
}
