import CWasmtime
import Foundation

/// Gives wasmtime the memory that the running execution prepared, through a slot of the current thread.
enum HostMemory {
    private static let slot: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// Runs `body` with `mapping` as the memory of the instance it makes.
    static func providing<T>(_ mapping: PrivateMapping?, _ body: () -> T) -> T {
        pthread_setspecific(slot, mapping.map { Unmanaged.passUnretained($0).toOpaque() })
        defer { pthread_setspecific(slot, nil) }
        return body()
    }

    static var creator: wasmtime_memory_creator_t {
        wasmtime_memory_creator_t(
            env: nil,
            new_memory: { _, _, minimum, _, reserved, guardBytes, result in
                guard let pointer = pthread_getspecific(HostMemory.slot) else {
                    return wasmtime_error_new("no memory was prepared for this instance")
                }
                let mapping = Unmanaged<PrivateMapping>.fromOpaque(pointer).takeUnretainedValue()
                guard mapping.bytes >= minimum, reserved + guardBytes <= mapping.reserved else {
                    return wasmtime_error_new("the prepared memory does not fit")
                }
                result!.pointee = wasmtime_linear_memory_t(
                    env: Unmanaged.passRetained(mapping).toOpaque(),
                    get_memory: { env, bytes, capacity in
                        let mapping = Unmanaged<PrivateMapping>.fromOpaque(env!).takeUnretainedValue()
                        bytes!.pointee = mapping.bytes
                        capacity!.pointee = Engine.reservedBytes
                        return mapping.base.assumingMemoryBound(to: UInt8.self)
                    },
                    grow_memory: { env, bytes in
                        let mapping = Unmanaged<PrivateMapping>.fromOpaque(env!).takeUnretainedValue()
                        return mapping.grow(to: bytes) ? nil : wasmtime_error_new("out of memory")
                    },
                    finalizer: { env in Unmanaged<PrivateMapping>.fromOpaque(env!).release() })
                return nil
            },
            finalizer: nil)
    }
}
