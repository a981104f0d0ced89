import Foundation

/// Stable memory as one message sees it: a private view of the committed image, pages counted.
final class StableMemory {
    static let pageBytes = MemoryImage.pageBytes
    static let wasmPageBytes: UInt64 = 65536
    /// From so many whole pages on it pays to put zeros in their place before they are written.
    private static let clearedPages = 8
    /// How often a message does so: every time may cut a mapping in two, of which Linux gives a process 65,530.
    private static let mostClears = 256

    let mapping: PrivateMapping
    private let limitBytes: UInt64
    private var written = PageSet()
    private var accessed = PageSet()
    private let grownFrom: Int
    /// Pages that this message may still touch, and write.
    private var accessBudget: Int64
    private var writeBudget: Int64
    private var clears = 0

    init(mapping: PrivateMapping, limitBytes: UInt64, pageBudget: UInt64) {
        self.mapping = mapping
        self.limitBytes = limitBytes
        grownFrom = mapping.bytes
        accessBudget = Int64(clamping: pageBudget)
        writeBudget = Int64(clamping: pageBudget)
    }

    /// Whether this message wrote or grew it.
    var isChanged: Bool { !written.isEmpty || mapping.bytes != grownFrom }

    /// Size in 64-KiB pages.
    var pages: UInt64 { UInt64(mapping.bytes) / Self.wasmPageBytes }

    /// Old size in pages, or nil when the limit forbids.
    func grow(_ more: UInt64) -> UInt64? {
        let old = pages
        let (new, overflow) = old.addingReportingOverflow(more)
        guard !overflow, new <= limitBytes / Self.wasmPageBytes, mapping.grow(to: Int(new * Self.wasmPageBytes))
        else { return nil }
        return old
    }

    func contains(_ offset: UInt64, _ size: UInt64) -> Bool {
        let (end, overflow) = offset.addingReportingOverflow(size)
        return !overflow && end <= UInt64(mapping.bytes)
    }

    /// Marks a range as read; false when the message's budget is used up.
    func noteRead(_ offset: UInt64, _ size: UInt64) -> Bool {
        accessBudget -= Int64(accessed.insert(Self.range(offset, size)))
        return accessBudget >= 0
    }

    /// Pages of the range not yet written in this message.
    func newPages(_ offset: UInt64, _ size: UInt64) -> UInt64 { UInt64(written.missing(Self.range(offset, size))) }

    /// Marks a range as written; false when the message's budget is used up.
    func noteWrite(_ offset: UInt64, _ size: UInt64) -> Bool {
        let range = Self.range(offset, size)
        writeBudget -= Int64(written.insert(range))
        accessBudget -= Int64(accessed.insert(range))
        return writeBudget >= 0 && accessBudget >= 0
    }

    /// Writes a range that `contains` and `noteWrite` allowed.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(ExecutionFailure) {
        guard let source = bytes.baseAddress else { return }
        let first = (Int(offset) + Self.pageBytes - 1) / Self.pageBytes
        let end = (Int(offset) + bytes.count) / Self.pageBytes
        if end - first >= Self.clearedPages, clears < Self.mostClears {
            clears += 1
            guard mapping.clear(first * Self.pageBytes..<end * Self.pageBytes) else { throw .outOfMemory }
        }
        pointer(offset).copyMemory(from: source, byteCount: bytes.count)
    }

    func pointer(_ offset: UInt64) -> UnsafeMutableRawPointer { mapping.base + Int(offset) }

    private static func range(_ offset: UInt64, _ size: UInt64) -> Range<Int> {
        size == 0 ? 0..<0 : Int(offset) / pageBytes..<Int(offset + size - 1) / pageBytes + 1
    }

    /// The written pages, or nil when nothing was written or grown.
    func delta() -> MemoryDelta? {
        var delta = MemoryDelta(size: mapping.bytes)
        for range in written.ranges {
            let offset = range.lowerBound * Self.pageBytes
            let bytes = UnsafeRawBufferPointer(start: mapping.base + offset, count: range.count * Self.pageBytes)
            delta.runs.append(MemoryDelta.Run(offset: offset, bytes: Array(bytes)))
        }
        return delta.runs.isEmpty && mapping.bytes == grownFrom ? nil : delta
    }
}

/// A set of page numbers as a bitmap that grows to the highest page touched.
struct PageSet {
    private var words: [UInt64] = []

    var isEmpty: Bool { words.isEmpty }

    /// Adds a range; returns how many were new.
    mutating func insert(_ range: Range<Int>) -> Int {
        guard !range.isEmpty else { return 0 }
        let needed = (range.upperBound + 63) / 64
        if words.count < needed { words.append(contentsOf: repeatElement(0, count: needed - words.count)) }
        var new = 0
        Self.forEachWord(range) { word, mask in
            new += (mask & ~words[word]).nonzeroBitCount
            words[word] |= mask
        }
        return new
    }

    /// How many of a range are not in the set.
    func missing(_ range: Range<Int>) -> Int {
        var present = 0
        Self.forEachWord(range) { word, mask in
            if word < words.count { present += (mask & words[word]).nonzeroBitCount }
        }
        return range.count - present
    }

    private static func forEachWord(_ range: Range<Int>, _ body: (Int, UInt64) -> Void) {
        guard !range.isEmpty else { return }
        for word in range.lowerBound / 64...(range.upperBound - 1) / 64 {
            let low = max(range.lowerBound, word * 64) - word * 64
            let high = min(range.upperBound, word * 64 + 64) - word * 64
            let mask = (high == 64 ? UInt64.max : (1 << UInt64(high)) - 1) & ~((1 << UInt64(low)) - 1)
            body(word, mask)
        }
    }

    /// The members as ascending ranges.
    var ranges: [Range<Int>] {
        var result: [Range<Int>] = []
        for (index, word) in words.enumerated() where word != 0 {
            for bit in 0..<64 where word >> UInt64(bit) & 1 == 1 {
                let page = index * 64 + bit
                if let last = result.indices.last, result[last].upperBound == page {
                    result[last] = result[last].lowerBound..<page + 1
                } else {
                    result.append(page..<page + 1)
                }
            }
        }
        return result
    }
}
