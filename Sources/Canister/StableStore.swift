import Digests
import IC0

/// Why stable memory cannot be taken over by this version of the canister.
public enum StableStoreError: Error, Equatable, Sendable {
    /// Stable memory has other contents.
    case notOurs
    /// A layout that this version does not know.
    case unknownLayout(UInt32)
    /// Neither copy of the directory is intact.
    case damaged
    case outOfMemory

    /// One clause for the reject message of an upgrade.
    public var message: StaticString {
        switch self {
        case .notOurs: "stable memory was not written by this canister"
        case .unknownLayout: "stable memory has a layout of another version of this canister"
        case .damaged: "both copies of the directory in stable memory are damaged"
        case .outOfMemory: "no stable memory is left"
        }
    }
}

/// The directory in stable memory, and the regions it names.
///
/// Page 0 holds the magic and the layout, pages 1 and 2 a copy of the directory each. A change is written over the
/// older copy under the next sequence number, so that at every instant one copy is whole.
final class StableStore<System: SystemAPI> {
    static var layout: UInt32 { 2 }
    private static var magic: [UInt8] { bytes(of: "DEAI-IC\n") }
    private static var firstDataPage: UInt64 { 3 }
    /// Sequence, length and CRC-32 before the directory.
    private static var copyHeaderBytes: Int { 16 }

    let system: System
    private(set) var directory = Directory()
    private var sequence: UInt64 = 0

    init(system: System) {
        self.system = system
    }

    /// Lays out fresh stable memory.
    func format() throws(StableStoreError) {
        guard ensure(pages: Self.firstDataPage) else { throw .outOfMemory }
        system.stableWrite(at: 0, Self.magic + Self.word(Self.layout))
        directory = Directory()
        sequence = 0
        commit(directory)
    }

    /// Takes over what an earlier version of the canister left.
    func load() throws(StableStoreError) {
        guard system.stableSize() >= Self.firstDataPage else { throw .notOurs }
        let header = system.stableRead(at: 0, count: 12)
        guard [UInt8](header[..<8]) == Self.magic else { throw .notOurs }
        let layout = Self.number(header[8...])
        guard (1...Self.layout).contains(layout) else { throw .unknownLayout(layout) }
        let copies = [copy(0, layout), copy(1, layout)].compactMap { $0 }
        guard let newest = copies.max(by: { $0.sequence < $1.sequence }) else { throw .damaged }
        (sequence, directory) = newest
        if layout < Self.layout { migrate() }
    }

    /// Writes both copies of the directory and the header in this layout. It happens in one message: all or nothing.
    private func migrate() {
        commit(directory)
        commit(directory)
        system.stableWrite(at: 8, Self.word(Self.layout))
    }

    /// Makes `directory` the one that counts.
    func commit(_ directory: Directory) {
        self.directory = directory
        sequence += 1
        let body = directory.encoded
        var record = Self.word(UInt32(truncatingIfNeeded: sequence))
        record += Self.word(UInt32(truncatingIfNeeded: sequence >> 32))
        record += Self.word(UInt32(body.count))
        let checksum = CRC32.checksum(record + body)
        record += Self.word(checksum) + body
        system.stableWrite(at: Self.copyOffset(Int(sequence % 2)), record)
    }

    /// A free run of pages, with stable memory grown to hold it; nil when there is no room.
    ///
    /// It counts as free until a directory that names it is committed.
    func allocate(pages: UInt64) -> Region? {
        let region = directory.freeRegion(pages: pages, from: Self.firstDataPage)
        return ensure(pages: region.end) ? region : nil
    }

    private func ensure(pages: UInt64) -> Bool {
        let size = system.stableSize()
        return size >= pages || system.stableGrow(pages - size) != nil
    }

    private static func copyOffset(_ index: Int) -> UInt64 { Region.pageBytes * UInt64(1 + index) }

    /// One copy of the directory, if it is intact.
    private func copy(_ index: Int, _ layout: UInt32) -> (sequence: UInt64, directory: Directory)? {
        let offset = Self.copyOffset(index)
        let header = system.stableRead(at: offset, count: Self.copyHeaderBytes)
        let promised = Self.number(header[8..<12])
        guard promised <= UInt32(Region.pageBytes) - UInt32(Self.copyHeaderBytes) else { return nil }
        let length = Int(promised)
        let body = system.stableRead(at: offset + UInt64(Self.copyHeaderBytes), count: length)
        guard CRC32.checksum([UInt8](header[..<12]) + body) == Self.number(header[12...]),
            let directory = Directory(body, layout: layout)
        else { return nil }
        return (UInt64(Self.number(header[..<4])) | UInt64(Self.number(header[4..<8])) << 32, directory)
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        [
            UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8),
            UInt8(truncatingIfNeeded: value >> 16), UInt8(truncatingIfNeeded: value >> 24),
        ]
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var value: UInt32 = 0
        for byte in bytes.reversed() { value = value << 8 | UInt32(byte) }
        return value
    }
}
