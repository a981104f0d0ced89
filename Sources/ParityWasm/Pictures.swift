#if arch(wasm32)
    import Digests
    import Images

    // Pictures in, hashes of pixels out: what the canister makes of a file against what the host makes of it.

    /// The place of `count` bytes that the caller may fill.
    @_expose(wasm, "parity_buffer")
    @_cdecl("parity_buffer")
    public func parityBuffer(_ count: Int32) -> Int32 {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(max(count, 1)))
        return Int32(truncatingIfNeeded: Int(bitPattern: memory))
    }

    /// Decodes the PNG file of `count` bytes at `address`, fits it to a size (width 0: as it is) and returns the place
    /// of the 32 bytes of the SHA-256 of its pixels, 0 on failure. Gives the memory of the file back.
    @_expose(wasm, "parity_picture")
    @_cdecl("parity_picture")
    public func parityPicture(
        _ address: Int32, _ count: Int32, _ width: Int32, _ height: Int32, _ channels: Int32
    ) -> Int32 {
        guard let start = UnsafeMutablePointer<UInt8>(bitPattern: Int(address)), count >= 0 else { return 0 }
        let file = [UInt8](UnsafeBufferPointer(start: start, count: Int(count)))
        start.deallocate()
        guard var image = try? PNG.decode(file, limits: .small) else { return 0 }
        if width > 0 {
            image = image.fitted(width: Int(width), height: Int(height), channels: Int(channels))
        }
        let hash = SHA256.hash(image.pixels)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: hash.count)
        for i in 0..<hash.count { memory[i] = hash[i] }
        return Int32(truncatingIfNeeded: Int(bitPattern: memory))
    }
#endif
