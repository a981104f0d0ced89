#if arch(wasm32)
    import NeuralNetwork

    // What tests call in build/parity.wasm to compare its bits with native ones; not part of the canister.

    /// Trains `SelfTest` on preset number `preset` and returns the place of the 32 bytes of its weight hash, 0 on failure.
    @_expose(wasm, "parity_train")
    @_cdecl("parity_train")
    public func parityTrain(_ preset: Int32, _ steps: Int32, _ seed: Int64) -> Int32 {
        let presets = Preset.allCases
        guard preset >= 0, preset < presets.count,
            let hash = try? SelfTest.weightHash(
                preset: presets[Int(preset)], steps: Int(steps), seed: UInt64(bitPattern: seed)),
            hash.count == 32
        else { return 0 }
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 32)
        for i in 0..<32 { memory[i] = hash[i] }
        return Int32(truncatingIfNeeded: Int(bitPattern: memory))
    }
#endif
