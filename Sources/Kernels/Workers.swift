#if !hasFeature(Embedded)
    import Dispatch
    import Synchronization
#endif

/// Runs disjoint index ranges, on several threads where there are any.
///
/// The only thread code of the embedded-safe modules. Range bounds follow from the problem and the grain alone,
/// never from the number of threads, and a kernel gives each range its own outputs: results keep their bits.
public struct Workers: Sendable {
    /// How many threads take ranges, the caller included.
    public let count: Int

    /// One thread, the caller.
    public static let serial = Workers(count: 1)

    /// At most `n` threads (at least one); where there are no threads, the same as `serial`.
    public static func threads(_ n: Int) -> Workers {
        #if hasFeature(Embedded)
            return serial
        #else
            return Workers(count: n < 1 ? 1 : n)
        #endif
    }

    /// Calls `body` once for each range of `grain` indices (the last may be shorter) of `0 ..< count`, and waits.
    ///
    /// - Parameter grain: indices a range, chosen so that one range is worth some tens of microseconds.
    @inlinable
    public func forEachRange(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        precondition(grain > 0, "grain must be positive")
        let ranges = (count + grain - 1) / grain
        if self.count == 1 || ranges <= 1 {
            for range in 0..<ranges { body(range * grain..<min(count, range * grain + grain)) }
        } else {
            share(count, grain: grain, ranges: ranges, body)
        }
    }

    @usableFromInline
    func share(_ count: Int, grain: Int, ranges: Int, _ body: (Range<Int>) -> Void) {
        #if !hasFeature(Embedded)
            let next = Atomic<Int>(0)
            withoutActuallyEscaping(body) { body in
                // `concurrentPerform` asks for a sendable closure; the bodies own disjoint outputs.
                nonisolated(unsafe) let body = body
                DispatchQueue.concurrentPerform(iterations: min(self.count, ranges)) { _ in
                    while true {
                        let range = next.wrappingAdd(1, ordering: .relaxed).oldValue
                        if range >= ranges { return }
                        body(range * grain..<min(count, range * grain + grain))
                    }
                }
            }
        #endif
    }
}
