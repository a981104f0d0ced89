import CMemory

/// What a client that sends large files keeps in memory.
public enum ClientMemory {
    /// Has all threads share one pool of buffers.
    ///
    /// Without it each thread keeps the largest it has ever had: several chunks with all their copies.
    public static func shareBuffers() { memory_share_buffers() }
}
