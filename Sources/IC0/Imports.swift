#if arch(wasm32)
    // The seam to the platform: one declaration per imported function, in the order of SystemAPI.
    // Sizes and addresses are 32-bit because the canister's memory is.

    @_extern(wasm, module: "ic0", name: "msg_arg_data_size") @_extern(c)
    func msg_arg_data_size() -> Int32
    @_extern(wasm, module: "ic0", name: "msg_arg_data_copy") @_extern(c)
    func msg_arg_data_copy(_ destination: UnsafeMutableRawPointer?, _ offset: Int32, _ size: Int32)
    @_extern(wasm, module: "ic0", name: "msg_caller_size") @_extern(c)
    func msg_caller_size() -> Int32
    @_extern(wasm, module: "ic0", name: "msg_caller_copy") @_extern(c)
    func msg_caller_copy(_ destination: UnsafeMutableRawPointer?, _ offset: Int32, _ size: Int32)
    @_extern(wasm, module: "ic0", name: "is_controller") @_extern(c)
    func is_controller(_ source: UnsafeRawPointer?, _ size: Int32) -> Int32
    @_extern(wasm, module: "ic0", name: "canister_self_size") @_extern(c)
    func canister_self_size() -> Int32
    @_extern(wasm, module: "ic0", name: "canister_self_copy") @_extern(c)
    func canister_self_copy(_ destination: UnsafeMutableRawPointer?, _ offset: Int32, _ size: Int32)
    @_extern(wasm, module: "ic0", name: "msg_reply_data_append") @_extern(c)
    func msg_reply_data_append(_ source: UnsafeRawPointer?, _ size: Int32)
    @_extern(wasm, module: "ic0", name: "msg_reply") @_extern(c)
    func msg_reply()
    @_extern(wasm, module: "ic0", name: "msg_reject") @_extern(c)
    func msg_reject(_ source: UnsafeRawPointer?, _ size: Int32)
    @_extern(wasm, module: "ic0", name: "msg_method_name_size") @_extern(c)
    func msg_method_name_size() -> Int32
    @_extern(wasm, module: "ic0", name: "msg_method_name_copy") @_extern(c)
    func msg_method_name_copy(_ destination: UnsafeMutableRawPointer?, _ offset: Int32, _ size: Int32)
    @_extern(wasm, module: "ic0", name: "accept_message") @_extern(c)
    func accept_message()
    @_extern(wasm, module: "ic0", name: "time") @_extern(c)
    func ic0_time() -> Int64
    @_extern(wasm, module: "ic0", name: "performance_counter") @_extern(c)
    func performance_counter(_ type: Int32) -> Int64
    @_extern(wasm, module: "ic0", name: "certified_data_set") @_extern(c)
    func certified_data_set(_ source: UnsafeRawPointer?, _ size: Int32)
    @_extern(wasm, module: "ic0", name: "data_certificate_present") @_extern(c)
    func data_certificate_present() -> Int32
    @_extern(wasm, module: "ic0", name: "data_certificate_size") @_extern(c)
    func data_certificate_size() -> Int32
    @_extern(wasm, module: "ic0", name: "data_certificate_copy") @_extern(c)
    func data_certificate_copy(_ destination: UnsafeMutableRawPointer?, _ offset: Int32, _ size: Int32)
    @_extern(wasm, module: "ic0", name: "stable64_size") @_extern(c)
    func stable64_size() -> Int64
    @_extern(wasm, module: "ic0", name: "stable64_grow") @_extern(c)
    func stable64_grow(_ pages: Int64) -> Int64
    @_extern(wasm, module: "ic0", name: "stable64_read") @_extern(c)
    func stable64_read(_ destination: Int64, _ offset: Int64, _ size: Int64)
    @_extern(wasm, module: "ic0", name: "stable64_write") @_extern(c)
    func stable64_write(_ offset: Int64, _ source: Int64, _ size: Int64)
    @_extern(wasm, module: "ic0", name: "trap") @_extern(c)
    func ic0_trap(_ source: UnsafeRawPointer?, _ size: Int32)

    /// The system API of the replica (or emulator) that runs this module.
    public struct WasmSystem: SystemAPI {
        public init() {}

        public func argument() -> [UInt8] {
            Self.copy(size: msg_arg_data_size(), msg_arg_data_copy)
        }

        public func argumentSize() -> Int { Int(msg_arg_data_size()) }

        public func argument(from offset: Int, into buffer: UnsafeMutableRawBufferPointer) {
            msg_arg_data_copy(buffer.baseAddress, Int32(offset), Int32(buffer.count))
        }

        public func caller() -> [UInt8] {
            Self.copy(size: msg_caller_size(), msg_caller_copy)
        }

        public func canisterSelf() -> [UInt8] {
            Self.copy(size: canister_self_size(), canister_self_copy)
        }

        public func isController(_ principal: [UInt8]) -> Bool {
            principal.withUnsafeBytes { is_controller($0.baseAddress, Int32($0.count)) } == 1
        }

        public func reply(_ bytes: [UInt8]) {
            bytes.withUnsafeBytes { msg_reply_data_append($0.baseAddress, Int32($0.count)) }
            msg_reply()
        }

        public func reject(_ text: [UInt8]) {
            text.withUnsafeBytes { msg_reject($0.baseAddress, Int32($0.count)) }
        }

        public func methodName() -> [UInt8] {
            Self.copy(size: msg_method_name_size(), msg_method_name_copy)
        }

        public func acceptMessage() { accept_message() }
        public func time() -> UInt64 { UInt64(bitPattern: ic0_time()) }
        public func performanceCounter() -> UInt64 { UInt64(bitPattern: performance_counter(0)) }

        public func setCertifiedData(_ data: [UInt8]) {
            data.withUnsafeBytes { certified_data_set($0.baseAddress, Int32($0.count)) }
        }

        public func dataCertificate() -> [UInt8]? {
            guard data_certificate_present() == 1 else { return nil }
            return Self.copy(size: data_certificate_size(), data_certificate_copy)
        }

        public func stableSize() -> UInt64 { UInt64(bitPattern: stable64_size()) }

        public func stableGrow(_ pages: UInt64) -> UInt64? {
            let former = stable64_grow(Int64(bitPattern: pages))
            return former < 0 ? nil : UInt64(former)
        }

        public func stableRead(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
            stable64_read(
                Int64(Int(bitPattern: buffer.baseAddress)), Int64(bitPattern: offset), Int64(buffer.count))
        }

        public func stableWrite(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) {
            stable64_write(
                Int64(bitPattern: offset), Int64(Int(bitPattern: bytes.baseAddress)), Int64(bytes.count))
        }

        /// Ends the message and undoes what it changed; the text goes to the caller.
        public func trap(_ text: StaticString) -> Never {
            // The host does not come back from it.
            while true { ic0_trap(text.utf8Start, Int32(text.utf8CodeUnitCount)) }
        }

        private static func copy(
            size: Int32, _ copy: (UnsafeMutableRawPointer?, Int32, Int32) -> Void
        ) -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, initialized in
                copy(UnsafeMutableRawPointer(buffer.baseAddress), 0, size)
                initialized = Int(size)
            }
        }
    }
#endif
