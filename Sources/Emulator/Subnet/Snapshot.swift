import Crypto
import Foundation
import InternetComputer

/// A canister's state at one moment, kept under an id until it is deleted.
struct Snapshot: Sendable, Equatable {
    enum Source: UInt8, Sendable { case taken, uploaded }

    /// Big-endian number of the snapshot within the canister, then the canister's id.
    var id: [UInt8]
    var source: Source
    var time: UInt64
    var version: UInt64
    var moduleBytes: UInt64
    var heapBytes: UInt64
    var stableBytes: UInt64
    var globals: [GlobalValue]
    var certifiedData: [UInt8]
    var timer: UInt64
    var lowMemoryHook: CanisterState.LowMemoryHook
    /// Hashes; the chunks themselves are stored under the snapshot's id.
    var chunks: [[UInt8]]

    var totalBytes: UInt64 {
        moduleBytes + heapBytes + stableBytes + UInt64(chunks.count) << 20 + UInt64(globals.count * 8)
    }

    static func id(number: UInt64, canister: Principal) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) } + canister.bytes
    }

    func write(to w: inout ByteWriter) {
        w.blob(id)
        w.u8(source.rawValue)
        for value in [time, version, moduleBytes, heapBytes, stableBytes, timer] { w.u64(value) }
        w.list(globals) { $1.write(to: &$0) }
        w.blob(certifiedData)
        w.u8(lowMemoryHook.rawValue)
        w.list(chunks) { $0.blob($1) }
    }

    init(_ r: inout ByteReader) throws(StateFormatError) {
        let id = try r.blob()
        guard let source = Source(rawValue: try r.u8()) else { throw StateFormatError(offset: r.offset) }
        var numbers: [UInt64] = []
        for _ in 0..<6 { numbers.append(try r.u64()) }
        let globals = try r.list { (r) throws(StateFormatError) in try GlobalValue(&r) }
        let data = try r.blob()
        guard let hook = CanisterState.LowMemoryHook(rawValue: try r.u8()) else { throw StateFormatError(offset: r.offset) }
        self.init(
            id: id, source: source, time: numbers[0], version: numbers[1], moduleBytes: numbers[2],
            heapBytes: numbers[3], stableBytes: numbers[4], globals: globals, certifiedData: data, timer: numbers[5],
            lowMemoryHook: hook, chunks: try r.list { (r) throws(StateFormatError) in try r.blob() })
    }

    init(
        id: [UInt8], source: Source, time: UInt64, version: UInt64, moduleBytes: UInt64, heapBytes: UInt64,
        stableBytes: UInt64, globals: [GlobalValue], certifiedData: [UInt8], timer: UInt64,
        lowMemoryHook: CanisterState.LowMemoryHook, chunks: [[UInt8]]
    ) {
        self.id = id
        self.source = source
        self.time = time
        self.version = version
        self.moduleBytes = moduleBytes
        self.heapBytes = heapBytes
        self.stableBytes = stableBytes
        self.globals = globals
        self.certifiedData = certifiedData
        self.timer = timer
        self.lowMemoryHook = lowMemoryHook
        self.chunks = chunks
    }
}

extension GlobalValue {
    func write(to w: inout ByteWriter) {
        w.u8(type)
        w.u64(low)
        w.u64(high)
    }

    init(_ r: inout ByteReader) throws(StateFormatError) {
        self.init(type: try r.u8(), low: try r.u64(), high: try r.u64())
    }
}

/// The bytes of a snapshot: module, heap and stable memory, each a file like a canister's own.
final class SnapshotMemories: Sendable {
    let module: MemoryImage
    let heap: MemoryImage
    let stable: MemoryImage

    static let kinds = ["module", "heap", "stable"]

    init(_ id: [UInt8], store: StateStore?) throws(EngineError) {
        func image(_ kind: String) throws(EngineError) -> MemoryImage {
            try MemoryImage(path: store?.snapshotPath(id, kind))
        }
        module = try image("module")
        heap = try image("heap")
        stable = try image("stable")
    }

    func resize(_ snapshot: Snapshot) throws(EngineError) {
        try module.resize(Int(snapshot.moduleBytes))
        try heap.resize(Int(snapshot.heapBytes))
        try stable.resize(Int(snapshot.stableBytes))
    }

    func synchronize() { for image in [module, heap, stable] { image.synchronize() } }
}

extension MemoryImage {
    /// Takes size and content of another image; pages of zeros stay holes.
    func copy(_ other: MemoryImage) throws(EngineError) {
        try resize(other.bytes)
        guard let source = other.committed else { return }
        let step = 1 << 20
        for offset in stride(from: 0, to: other.bytes, by: step) {
            let count = min(step, other.bytes - offset)
            let part = UnsafeRawBufferPointer(start: source + offset, count: count)
            if part.allSatisfy({ $0 == 0 }) { continue }
            try write(Array(part), at: offset)
        }
    }
}

extension StateStore {
    func snapshotPath(_ id: [UInt8], _ kind: String) -> String {
        let name = id.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        return images.appendingPathComponent("snapshot-\(name)-\(kind).image").path
    }
}
