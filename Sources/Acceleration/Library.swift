import CAcceleration
import COneDNN

/// Why a graph could not be made ready for accelerated execution.
public enum AccelerationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The library refused; `status` is its `dnnl_status_t`.
    case library(call: String, status: UInt32)
    /// The library has only its slow reference code for this op.
    case slowImplementation(op: String, name: String)
    /// The library is not on this machine.
    case missing(reason: String)
    /// No threads were asked for.
    case threads(Int)

    public var description: String {
        switch self {
        case .library(let call, let status):
            "oneDNN refused \(call) with status \(status); use the portable executor, or set DNNL_VERBOSE=2 to see why"
        case .slowImplementation(let op, let name):
            "oneDNN has only the implementation \(name) for \(op); use the portable executor"
        case .missing(let reason):
            "oneDNN 2 cannot be loaded (\(reason)); install it (Debian: libdnnl2) or use --executor portable"
        case .threads(let count): "\(count) threads were asked for; at least 1 is needed"
        }
    }
}

/// The library's engine and stream, and the threads that work on a step.
final class Library {
    let engine: dnnl_engine_t
    let stream: dnnl_stream_t
    let threads: Int

    init(threads: Int) throws(AccelerationError) {
        guard threads >= 1 else { throw .threads(threads) }
        if let failure = AccelerationSupport.failure { throw .missing(reason: failure) }
        self.threads = threads
        var engine: dnnl_engine_t?
        try Library.check("dnnl_engine_create", dnnl_engine_create(&engine, dnnl_cpu, 0))
        var stream: dnnl_stream_t?
        try Library.check(
            "dnnl_stream_create", dnnl_stream_create(&stream, engine, dnnl_stream_default_flags.rawValue))
        guard let engine, let stream else { throw .library(call: "dnnl_engine_create", status: 0) }
        self.engine = engine
        self.stream = stream
        useThreads()
    }

    deinit {
        dnnl_stream_destroy(stream)
        dnnl_engine_destroy(engine)
    }

    /// Makes the library's loops take this object's threads, or fewer; a setting of the calling thread.
    func useThreads(_ count: Int? = nil) { deai_set_threads(Int32(count ?? threads)) }

    /// Channels that the library wants side by side.
    static let channelBlock: Int = {
        let isa = dnnl_get_effective_cpu_isa().rawValue
        return isa & dnnl_cpu_isa_avx512_core.rawValue == dnnl_cpu_isa_avx512_core.rawValue ? 16 : 8
    }()

    static func check(_ call: String, _ status: dnnl_status_t) throws(AccelerationError) {
        guard status == dnnl_success else { throw .library(call: call, status: status.rawValue) }
    }

    /// A memory descriptor made of sizes that were checked before: the library cannot refuse it.
    static func descriptor(_ make: (inout dnnl_memory_desc_t) -> dnnl_status_t) -> dnnl_memory_desc_t {
        var descriptor = dnnl_memory_desc_t()
        let status = make(&descriptor)
        precondition(status == dnnl_success, "a layout that the library does not know")
        return descriptor
    }

    /// Calls `body(thread)` on every thread.
    func parallel(_ body: (Int) -> Void) {
        if threads == 1 { return body(0) }
        withoutActuallyEscaping(body) { body in
            var body = body
            withUnsafeMutablePointer(to: &body) { context in
                deai_parallel(
                    Int32(threads),
                    { context, thread, _ in
                        context?.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(thread))
                    }, context)
            }
        }
    }

    /// The part of `0 ..< count` that is a thread's.
    func share(of count: Int, thread: Int) -> Range<Int> {
        count * thread / threads..<count * (thread + 1) / threads
    }

    /// Cuts `0 ..< count` into one range for each thread.
    func parallel(over count: Int, _ body: (Range<Int>) -> Void) {
        parallel { thread in
            let range = share(of: count, thread: thread)
            if !range.isEmpty { body(range) }
        }
    }
}
