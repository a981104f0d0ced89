/// Where the bytes of a model file are when they are not all in memory.
public protocol ModelStorage {
    /// Bytes of the file.
    var byteCount: UInt64 { get }
    /// Fills the buffer with the bytes from `offset`; the range exists.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
}

extension ModelStorage {
    func bytes(at offset: UInt64, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }
}

/// A model file in memory.
public struct MemoryStorage: ModelStorage {
    private let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public var byteCount: UInt64 { UInt64(bytes.count) }

    public func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset) + buffer.count]))
        }
    }
}
