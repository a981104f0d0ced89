/// Processes that train one network together, as one of them sees the others.
///
/// Every process makes the same calls in the same order. When one of them is lost all of them end, so that no call
/// has to say that it failed.
public protocol Collective: AnyObject {
    /// Which of the processes this is, from 0.
    var rank: Int { get }
    var count: Int { get }

    /// Puts sums over all processes in place of numbers, to the same bits in each of them.
    func sum(_ numbers: UnsafeMutableBufferPointer<Float>)
    func sum(_ numbers: UnsafeMutableBufferPointer<Double>)

    /// Puts the bytes of process 0 in place of those of the others.
    func broadcast(_ bytes: inout [UInt8])
}

extension Collective {
    /// The part of a range that is this process's: parts are disjoint, make up the range in order, and differ by one
    /// number at most.
    public func part(of range: Range<Int>) -> Range<Int> {
        range.lowerBound + range.count * rank / count..<range.lowerBound + range.count * (rank + 1) / count
    }

    public func sum(_ numbers: [Double]) -> [Double] {
        var result = numbers
        result.withUnsafeMutableBufferPointer { sum($0) }
        return result
    }

    /// Comes back when all processes have come here.
    public func meet() { _ = sum([0]) }

    /// Whether all processes have the bytes of process 0; the same answer in each of them.
    public func agree(on bytes: [UInt8]) -> Bool {
        var first = bytes
        broadcast(&first)
        return sum([first == bytes ? 0 : 1]) == [0]
    }
}

/// One process that has no others.
public final class Alone: Collective {
    public let rank = 0
    public let count = 1

    public init() {}

    public func sum(_ numbers: UnsafeMutableBufferPointer<Float>) {}
    public func sum(_ numbers: UnsafeMutableBufferPointer<Double>) {}
    public func broadcast(_ bytes: inout [UInt8]) {}
}
