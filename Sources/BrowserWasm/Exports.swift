#if arch(wasm32)
    // What device.js of the page calls; there are no imports.
    //
    // An argument is a block of `allocate`, filled by the caller and freed here. Functions return 0 and leave
    // their answer, or 1 and leave a clause that says why not, at `result_address`, until the next call.

    nonisolated(unsafe) private var device = DeviceClassifier()
    nonisolated(unsafe) private var result = UnsafeMutableBufferPointer<UInt8>(start: nil, count: 0)

    @_expose(wasm, "allocate")
    @_cdecl("allocate")
    public func allocate(_ size: Int32) -> Int32 {
        let block = UnsafeMutablePointer<UInt8>.allocate(capacity: max(Int(size), 1))
        return Int32(truncatingIfNeeded: Int(bitPattern: block))
    }

    @_expose(wasm, "result_address")
    @_cdecl("result_address")
    public func resultAddress() -> Int32 { Int32(truncatingIfNeeded: Int(bitPattern: result.baseAddress)) }

    @_expose(wasm, "result_size")
    @_cdecl("result_size")
    public func resultSize() -> Int32 { Int32(result.count) }

    /// Certificate, witness, canister, root key (none: the Internet Computer's) and provenance, each after its
    /// length (u32, little-endian), and the time in nanoseconds since 1970.
    @_expose(wasm, "prove")
    @_cdecl("prove")
    public func prove(_ address: Int32, _ size: Int32, _ now: Int64) -> Int32 {
        answer { () throws(Refusal) in
            let parts = try split(take(address, size), into: 5)
            return try device.prove(
                certificate: parts[0], witness: parts[1], canister: parts[2], rootKey: parts[3],
                provenance: parts[4],
                now: UInt64(bitPattern: now))
        }
    }

    @_expose(wasm, "load")
    @_cdecl("load")
    public func load(_ address: Int32, _ size: Int32) -> Int32 {
        answer { () throws(Refusal) in
            try device.load(take(address, size))
            return []
        }
    }

    @_expose(wasm, "pixels_of_png")
    @_cdecl("pixels_of_png")
    public func pixelsOfPNG(_ address: Int32, _ size: Int32) -> Int32 {
        answer { () throws(Refusal) in try device.pixels(png: take(address, size)) }
    }

    @_expose(wasm, "classify")
    @_cdecl("classify")
    public func classify(_ address: Int32, _ size: Int32) -> Int32 {
        answer { () throws(Refusal) in try device.classify(pixels: take(address, size)) }
    }

    @_expose(wasm, "logits")
    @_cdecl("logits")
    public func logits(_ address: Int32, _ size: Int32) -> Int32 {
        answer { () throws(Refusal) in try device.logits(pixels: take(address, size)) }
    }

    private func answer(_ body: () throws(Refusal) -> [UInt8]) -> Int32 {
        var bytes: [UInt8]
        var status: Int32 = 0
        do throws(Refusal) {
            bytes = try body()
        } catch {
            bytes = error.text
            status = 1
        }
        result.deallocate()
        result = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = result.initialize(from: bytes)
        return status
    }

    /// The bytes of an argument, whose block is freed.
    private func take(_ address: Int32, _ size: Int32) -> [UInt8] {
        guard let start = UnsafeMutablePointer<UInt8>(bitPattern: Int(UInt32(bitPattern: address))) else {
            return []
        }
        let bytes = [UInt8](UnsafeBufferPointer(start: start, count: Int(size)))
        start.deallocate()
        return bytes
    }

    private func split(_ bytes: [UInt8], into count: Int) throws(Refusal) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var offset = 0
        for _ in 0..<count {
            guard bytes.count - offset >= 4 else { throw Refusal("an argument is too short") }
            let length =
                Int(bytes[offset]) | Int(bytes[offset + 1]) << 8 | Int(bytes[offset + 2]) << 16
                | Int(bytes[offset + 3]) << 24
            offset += 4
            guard length >= 0, length <= bytes.count - offset else {
                throw Refusal("an argument is too short")
            }
            parts.append([UInt8](bytes[offset..<(offset + length)]))
            offset += length
        }
        return parts
    }
#endif
