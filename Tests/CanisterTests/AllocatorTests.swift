import CFreestanding
import Kernels
import Testing

// One heap serves the process: the tests of it run one after the other.
@Suite(.serialized) struct AllocatorTests {
    /// Blocks of every size are aligned, disjoint and keep their contents while others come and go.
    @Test func randomUse() throws {
        var random = SplitMix64(seed: 3)
        var live: [(pointer: UnsafeMutableRawPointer, size: Int, mark: UInt8)] = []
        for step in 0..<40_000 {
            if live.count > 200 || (!live.isEmpty && random.index(below: 5) < 2) {
                let block = live.remove(at: random.index(below: live.count))
                let bytes = UnsafeRawBufferPointer(start: block.pointer, count: block.size)
                #expect(bytes.allSatisfy { $0 == block.mark })
                freestanding_free(block.pointer)
            } else {
                let size = random.index(below: 1 << (4 + random.index(below: 12)))
                let alignment = 16 << random.index(below: 5)
                let pointer = try #require(freestanding_allocate_aligned(alignment, size))
                #expect(Int(bitPattern: pointer) % alignment == 0)
                let mark = UInt8(truncatingIfNeeded: step)
                pointer.initializeMemory(as: UInt8.self, repeating: mark, count: size)
                live.append((pointer, size, mark))
            }
        }
        for block in live { freestanding_free(block.pointer) }
    }

    /// Freed blocks serve again: the same work a hundred times over takes no more memory than once.
    @Test func freedMemoryIsReused() throws {
        let sizes = (0..<60).map { 17 + $0 * $0 * 37 }
        func round() throws {
            let pointers = try sizes.map { try #require(freestanding_allocate($0)) }
            for pointer in pointers { freestanding_free(pointer) }
        }
        try round()
        let footprint = freestanding_footprint()
        for _ in 0..<100 { try round() }
        #expect(freestanding_footprint() == footprint)
    }

    @Test func tooMuchIsRefused() {
        #expect(freestanding_allocate(1 << 40) == nil)
        #expect(freestanding_allocate(2_000_000_000) == nil)
        #expect(freestanding_allocate_aligned(64, .max) == nil)
    }
}
