import CAcceleration

/// The memory of a plan: one block in which arrays that are never needed together lie over each other.
final class Arena {
    let byteCount: Int
    private let base: UnsafeMutableRawPointer

    /// Gives every storage an address; storages may appear more than once. Copies of the block stand one after the other,
    /// a thread's each.
    init(_ storages: [Storage], copies: Int = 1) {
        var known = Set<ObjectIdentifier>()
        var wanted = storages.filter { $0.address == nil && known.insert(ObjectIdentifier($0)).inserted }
        // Large ones first, each at the lowest place where nothing is that lives at the same time.
        wanted.sort { $0.byteCount > $1.byteCount }
        var placed: [(storage: Storage, range: Range<Int>)] = []
        for storage in wanted {
            var start = 0
            for (other, range) in placed where other.overlaps(storage) {
                if range.lowerBound >= start + storage.byteCount { break }
                start = max(start, range.upperBound)
            }
            let range = start..<start + storage.byteCount
            let place = placed.firstIndex { $0.range.lowerBound > start } ?? placed.count
            placed.insert((storage, range), at: place)
        }
        let step = max(64, placed.reduce(0) { max($0, $1.range.upperBound) })
        byteCount = step * copies
        base = Storage.aligned(byteCount: byteCount)
        for (storage, range) in placed {
            storage.address = base + range.lowerBound
            storage.threadStep = step
        }
    }

    deinit { base.deallocate() }
}

extension Storage {
    /// A kernel goes through dozens of planes at once, more than a processor knows small pages.
    private static let largePage = 1 << 21

    /// Zeroed memory at the start of a page, a large one where there is use for it and the system has them.
    static func aligned(byteCount: Int) -> UnsafeMutableRawPointer {
        let isLarge = byteCount >= largePage
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: max(byteCount, 1), alignment: isLarge ? largePage : 4096)
        if isLarge { deai_prefer_large_pages(memory, byteCount) }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: max(byteCount, 1))
        return memory
    }

    fileprivate func overlaps(_ other: Storage) -> Bool {
        if isLasting || other.isLasting { return true }
        if lifetimes.isEmpty || other.lifetimes.isEmpty { return true }
        return lifetimes.contains { mine in other.lifetimes.contains { $0.overlaps(mine) } }
    }
}
