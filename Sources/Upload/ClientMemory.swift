import CMemory

/// What a client that sends large files keeps in memory.
public enum ClientMemory {
    /// Has buffers of chunks returned to the system as soon as they are free, and few pools for the small ones.
    ///
    /// Without it each thread keeps the largest it has ever had: several chunks with all their copies.
    public static func returnBuffers() { memory_return_buffers() }
}
