import Foundation
import IC0

/// Stable memory: the 64-bit functions and their deprecated 32-bit forms.
extension Execution {
    func stableCall(_ call: SystemCall, _ a: SystemArguments) throws(ExecutionFailure) {
        let narrow = call == .stableSize || call == .stableGrow || call == .stableWrite || call == .stableRead
        func argument(_ index: Int) -> UInt64 { narrow ? UInt64(a.u32(index)) : a.u64(index) }
        switch call {
        case .stableSize, .stable64Size:
            try checkNarrow(narrow)
            if narrow { a.returnI32(Int32(truncatingIfNeeded: stable.pages)) } else { a.returnU64(stable.pages) }
        case .stableGrow, .stable64Grow:
            try charge(100)
            try checkNarrow(narrow)
            let more = argument(0)
            let old = narrow && stable.pages + more > 65_536 ? nil : stable.grow(more)
            if narrow {
                a.returnI32(old.map { Int32(truncatingIfNeeded: $0) } ?? -1)
            } else {
                a.returnU64(old ?? UInt64.max)
            }
        case .stableWrite, .stable64Write:
            try stableWrite(argument(0), narrow ? UInt64(a.u32(1)) : a.u64(1), argument(2), narrow)
        default:
            try stableRead(narrow ? UInt64(a.u32(0)) : a.u64(0), argument(1), argument(2), narrow)
        }
    }

    /// The 32-bit forms trap when stable memory is larger than they can address.
    private func checkNarrow(_ narrow: Bool) throws(ExecutionFailure) {
        if narrow, stable.pages > 65_536 {
            throw .trapped("32 bit stable memory api used on a memory larger than 4GB")
        }
    }

    private func stableWrite(
        _ offset: UInt64, _ source: UInt64, _ count: UInt64, _ narrow: Bool
    ) throws(ExecutionFailure) {
        let inside = stable.contains(offset, count)
        let pages = inside ? stable.newPages(offset, count) : 0
        try charge(20 &+ count &+ 1000 * pages)
        try checkNarrow(narrow)
        guard count > 0 else { return }
        guard inside else { throw .trapped("stable memory out of bounds") }
        let bytes = try slice(source, count)
        guard stable.noteWrite(offset, count) else {
            throw .memoryAccessLimit("Exceeded the limit for the number of modified pages in the stable memory in a single execution.")
        }
        try stable.write(UnsafeRawBufferPointer(bytes), at: offset)
    }

    private func stableRead(
        _ target: UInt64, _ offset: UInt64, _ count: UInt64, _ narrow: Bool
    ) throws(ExecutionFailure) {
        try charge(20 &+ count)
        try checkNarrow(narrow)
        guard count > 0 else { return }
        guard stable.contains(offset, count) else { throw .trapped("stable memory out of bounds") }
        let bytes = try slice(target, count)
        guard stable.noteRead(offset, count) else {
            throw .memoryAccessLimit("Exceeded the limit for the number of accessed pages in the stable memory in a single message execution.")
        }
        bytes.baseAddress!.copyMemory(from: stable.pointer(offset), byteCount: bytes.count)
    }
}
