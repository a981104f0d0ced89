#if arch(wasm32)
    import IC0
    import Images
    import Inference

    // A canister that says what kernels cost, layer by layer; not part of the shipped one.

    /// Query `costs`: a .deai file in, little-endian numbers out.
    ///
    /// u64 number of layers, u64 instructions of reading the file, u64 of packing its weights, for each layer u64
    /// instructions and u64 multiply-accumulates, and then the i32 logits of the picture `samplePicture`.
    @_expose(wasm, "canister_query costs")
    @_cdecl("canister_query costs")
    public func costs() {
        let system = WasmSystem()
        let file = system.argument()
        let start = system.performanceCounter()
        guard let model = try? ModelFile.read(file) else { system.trap("not a .deai file") }
        let read = system.performanceCounter()
        let executor = IntegerExecutor(model)
        let packed = system.performanceCounter()
        let pixels = samplePicture(model.input.byteCount)
        let costs = pixels.withUnsafeBufferPointer { pixels in
            executor.costs(pixels: pixels) { system.performanceCounter() }
        }
        var reply: [UInt8] = []
        append(UInt64(costs.count), to: &reply)
        append(read &- start, to: &reply)
        append(packed &- read, to: &reply)
        for layer in 0..<costs.count {
            append(costs[layer], to: &reply)
            append(model.plan[layer].multiplyAccumulates, to: &reply)
        }
        for logit in executor.logits(pixels: pixels) {
            for shift: Int32 in [0, 8, 16, 24] { reply.append(UInt8(truncatingIfNeeded: logit >> shift)) }
        }
        system.reply(reply)
    }

    /// Query `png`: a PNG in, u64 instructions of decoding it out.
    @_expose(wasm, "canister_query png")
    @_cdecl("canister_query png")
    public func png() {
        let system = WasmSystem()
        let file = system.argument()
        let start = system.performanceCounter()
        guard (try? PNG.decode(file, limits: .small)) != nil else { system.trap("not a PNG") }
        var reply: [UInt8] = []
        append(system.performanceCounter() &- start, to: &reply)
        system.reply(reply)
    }

    /// Byte i of the picture that is measured: `(37 i + i/8) mod 256`.
    private func samplePicture(_ count: Int) -> [UInt8] {
        var pixels: [UInt8] = []
        for i in 0..<count { pixels.append(UInt8(truncatingIfNeeded: 37 * i + i / 8)) }
        return pixels
    }

    private func append(_ value: UInt64, to bytes: inout [UInt8]) {
        for i: UInt64 in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * i))) }
    }
#endif
