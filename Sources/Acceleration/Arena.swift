import CAcceleration

/// The memory of a plan: one block in which arrays that are never needed together lie over each other.
final class Arena {
    let byteCount: Int
    private let base: UnsafeMutableRawPointer

    /// Gives every storage an address; storages may appear more than once.
    init(_ storages: [Storage]) {
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
        byteCount = max(64, placed.reduce(0) { max($0, $1.range.upperBound) })
        base = Storage.aligned(byteCount: byteCount)
        for (storage, range) in placed { storage.address = base + range.lowerBound }
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
        guard let mine = lifetime, let theirs = other.lifetime else { return true }
        return mine.overlaps(theirs)
    }
}
