import CWasmtime
import Foundation
import Synchronization

/// The committed content of one linear or stable memory: a file that executions map privately.
///
/// Reading and committing are kept apart by the lock of the canister's `CanisterMemory`.
final class MemoryImage: @unchecked Sendable {
    static let pageBytes = 4096

    let descriptor: Int32
    /// nil when the image lives in memory only.
    let path: String?
    /// Committed size in bytes; guarded by the canister's lock.
    private(set) var bytes: Int
    private var readers: [Unmanaged<PrivateMapping>] = []
    /// All of the committed bytes, for comparing and copying back; nil for an empty image.
    private(set) var committed: UnsafeRawPointer?

    /// A new empty image, anonymous when `path` is nil.
    init(path: String?) throws(EngineError) {
        if let path {
            descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        } else {
            descriptor = chost_memfd("deai-heap")
        }
        self.path = path
        guard descriptor >= 0 else { throw .memory("\(path ?? "memfd"): \(String(cString: strerror(errno)))") }
        bytes = 0
    }

    deinit {
        if let committed { munmap(UnsafeMutableRawPointer(mutating: committed), bytes) }
        close(descriptor)
    }

    /// Sets the committed size; new bytes are zero. Never shrinks while there are readers.
    func resize(_ size: Int) throws(EngineError) {
        guard size != bytes else { return }
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw .memory(String(cString: strerror(errno))) }
        var window: UnsafeRawPointer?
        if size > 0 {
            guard let mapped = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), mapped != MAP_FAILED else {
                throw .memory("mapping \(size) bytes: \(String(cString: strerror(errno)))")
            }
            window = UnsafeRawPointer(mapped)
        }
        if let committed { munmap(UnsafeMutableRawPointer(mutating: committed), bytes) }
        committed = window
        bytes = size
    }

    func write(_ content: [UInt8], at offset: Int) throws(EngineError) {
        let failure: Int32 = content.withUnsafeBytes { raw in
            var done = 0
            while done < raw.count {
                let count = pwrite(descriptor, raw.baseAddress! + done, raw.count - done, off_t(offset + done))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return count < 0 ? errno : ENOSPC }
                done += count
            }
            return 0
        }
        guard failure == 0 else { throw .memory(String(cString: strerror(failure))) }
    }

    func read(at offset: Int, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset + filled))
                if got <= 0 { break }
                filled += got
            }
            if filled < count {
                buffer[filled..<count].initialize(repeating: 0)
                filled = count
            }
        }
    }

    func synchronize() { _ = fdatasync(descriptor) }

    /// Counts a mapping among those whose pages a commit must not change. Call with the canister's lock held.
    func register(_ mapping: PrivateMapping) {
        guard mapping.readerIndex < 0 else { return }
        mapping.readerIndex = readers.count
        readers.append(Unmanaged.passUnretained(mapping))
    }

    func unregister(_ mapping: PrivateMapping) {
        let index = mapping.readerIndex
        guard index >= 0 else { return }
        mapping.readerIndex = -1
        let last = readers.removeLast()
        guard index < readers.count else { return }
        readers[index] = last
        last.takeUnretainedValue().readerIndex = index
    }

    /// Writes the runs of a delta, after each running reader has got its own copy of those pages.
    ///
    /// Without the copies a reader would see pages it has not touched yet change under it.
    func commit(_ delta: MemoryDelta, author: PrivateMapping?) throws(EngineError) {
        for reader in readers {
            let mapping = reader.takeUnretainedValue()
            if mapping === author { continue }
            for run in delta.runs { mapping.detach(run.offset..<run.offset + run.bytes.count) }
        }
        try resize(max(bytes, delta.size))
        for run in delta.runs { try write(run.bytes, at: run.offset) }
    }
}

/// What a message changed in one memory.
struct MemoryDelta: Sendable {
    struct Run: Sendable {
        var offset: Int
        var bytes: [UInt8]
    }
    /// New size in bytes.
    var size: Int
    /// Whole pages whose content changed.
    var runs: [Run] = []

    var pages: Int { runs.reduce(0) { $0 + $1.bytes.count / MemoryImage.pageBytes } }
}

/// One execution's copy-on-write view of a memory image, at the start of a large reserved range.
final class PrivateMapping {
    let base: UnsafeMutableRawPointer
    /// Bytes that may be touched now.
    private(set) var bytes: Int
    let reserved: Int
    let image: MemoryImage?
    /// Size of the image when it was mapped.
    let imageBytes: Int
    /// Size at the start, when that is more than the image's.
    let minimumBytes: Int
    /// Whether a commit gave this view copies of pages.
    private(set) var wasDetached = false
    /// Place among the image's readers; -1 while it is none.
    fileprivate(set) var readerIndex = -1
    private let unregister: (PrivateMapping) -> Void

    /// Maps `image` (all of it) and zeros up to `minimum`. Call with the canister's lock held; `onRelease` takes it again.
    init(
        image: MemoryImage?, minimum: Int, reserve: Int, onRelease: @escaping (PrivateMapping) -> Void
    ) throws(EngineError) {
        guard
            let start = mmap(nil, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
            start != MAP_FAILED
        else { throw .memory("reserving \(reserve) bytes: \(String(cString: strerror(errno)))") }
        base = start
        reserved = reserve
        self.image = image
        imageBytes = image?.bytes ?? 0
        minimumBytes = minimum
        bytes = imageBytes
        unregister = onRelease
        if let image, imageBytes > 0 {
            let mapped = mmap(
                start, imageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                image.descriptor, 0)
            guard mapped != MAP_FAILED else {
                throw .memory("mapping a heap: \(String(cString: strerror(errno)))")
            }
        }
        image?.register(self)
        if minimum > bytes, !grow(to: minimum) { throw .memory("growing a heap: \(String(cString: strerror(errno)))") }
    }

    deinit {
        unregister(self)
        munmap(base, reserved)
    }

    /// Makes zero bytes accessible up to `size`.
    func grow(to size: Int) -> Bool {
        guard size <= reserved else { return false }
        guard size > bytes else { return true }
        guard mprotect(base + bytes, size - bytes, PROT_READ | PROT_WRITE) == 0 else { return false }
        madvise(base + bytes, size - bytes, MADV_NOHUGEPAGE)
        bytes = size
        return true
    }

    /// Puts zeros in place of whole pages that are about to be written: the kernel then reads and copies nothing of the
    /// image. False when it has no memory for that; the pages are lost then.
    func clear(_ range: Range<Int>) -> Bool {
        mmap(
            base + range.lowerBound, range.count, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED
    }

    /// Gives this view its own copy of pages that are about to change in the image.
    func detach(_ range: Range<Int>) {
        let end = min(range.upperBound, imageBytes)
        guard range.lowerBound < end else { return }
        wasDetached = true
        _ = chost_copy_pages(base + range.lowerBound, end - range.lowerBound)
    }

    /// Every page whose content differs from the image, in runs, and the size.
    func delta() -> MemoryDelta {
        var delta = MemoryDelta(size: bytes)
        let page = MemoryImage.pageBytes
        guard bytes > 0 else { return delta }
        let committed = imageBytes > 0 ? image?.committed : nil
        for range in writtenPages() {
            for offset in stride(from: range.lowerBound, to: range.upperBound, by: page) {
                compare(offset, committed, into: &delta)
            }
        }
        return delta
    }

    /// Pages that this mapping holds copies of its own of, as byte ranges; everything when Linux cannot tell.
    func writtenPages() -> [Range<Int>] {
        guard bytes > 0 else { return [] }
        var found: [Range<Int>] = []
        let start = UInt64(UInt(bitPattern: base))
        let end = start + UInt64(bytes)
        var next = start
        let capacity = 256
        withUnsafeTemporaryAllocation(of: chost_range_t.self, capacity: capacity) { ranges in
            while next < end {
                var count = chost_written_pages(PageMap.descriptor, next, end, ranges.baseAddress!, capacity, &next)
                if count < 0 {
                    ranges[0] = chost_range_t(first_byte: next, end_byte: end)
                    count = 1
                    next = end
                }
                for range in UnsafeBufferPointer(rebasing: ranges.prefix(count)) {
                    found.append(Int(range.first_byte - start)..<Int(range.end_byte - start))
                }
            }
        }
        return found
    }

    /// Gives pages the committed content again. Call with the canister's lock held.
    func restore(_ ranges: [Range<Int>]) -> Bool {
        guard !ranges.isEmpty else { return true }
        guard let committed = image?.committed else { return false }
        for range in ranges {
            guard range.upperBound <= imageBytes else { return false }
            (base + range.lowerBound).copyMemory(from: committed + range.lowerBound, byteCount: range.count)
        }
        return true
    }

    private func compare(_ offset: Int, _ committed: UnsafeRawPointer?, into delta: inout MemoryDelta) {
        let page = MemoryImage.pageBytes
        let mine = base + offset
        let same =
            if let committed, offset < imageBytes { memcmp(mine, committed + offset, page) == 0 } else {
                memcmp(mine, PageMap.zeros, page) == 0
            }
        if same { return }
        let content = UnsafeRawBufferPointer(start: mine, count: page)
        if let last = delta.runs.indices.last, delta.runs[last].offset + delta.runs[last].bytes.count == offset {
            delta.runs[last].bytes.append(contentsOf: content)
        } else {
            delta.runs.append(MemoryDelta.Run(offset: offset, bytes: Array(content)))
        }
    }
}

/// The process's page map, opened once.
enum PageMap {
    static let descriptor = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)
    nonisolated(unsafe) static let zeros: UnsafeRawPointer = {
        let page = UnsafeMutableRawPointer.allocate(byteCount: MemoryImage.pageBytes, alignment: 64)
        page.initializeMemory(as: UInt8.self, repeating: 0, count: MemoryImage.pageBytes)
        return UnsafeRawPointer(page)
    }()
}
