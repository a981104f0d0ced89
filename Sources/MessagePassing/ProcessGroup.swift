import CMPI
import Training

/// Why a process cannot work with the others that were started with it.
public struct ProcessGroupError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
}

/// The processes that Open MPI's `mpirun` started together.
///
/// Use it from the thread that made it. The library ends every process, with a word of what happened, when one of
/// them is lost or an exchange fails.
public final class ProcessGroup: Collective {
    public let rank: Int
    public let count: Int
    /// How many of them are on this machine.
    public let localCount: Int

    /// How many processes `mpirun` started and how many of them on this machine; nil when it did not start this one.
    public static func started(_ environment: [String: String]) -> (count: Int, localCount: Int)? {
        guard let count = environment["OMPI_COMM_WORLD_SIZE"].flatMap({ Int($0) }), count >= 1 else { return nil }
        return (count, environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap { Int($0) } ?? 1)
    }

    /// Joins the others; nil when there are none. The library is looked for only then.
    public static func join(_ environment: [String: String]) throws(ProcessGroupError) -> ProcessGroup? {
        guard let (count, localCount) = started(environment), count > 1 else { return nil }
        if let reason = deai_mpi_load() {
            throw ProcessGroupError(
                description:
                    "mpirun started \(count) processes, but Open MPI 4 cannot be loaded (\(String(cString: reason))); "
                    + "install it (Debian: libopenmpi3) or name the library in DEAI_MPI")
        }
        var (rank, size): (Int32, Int32) = (0, 0)
        let status = deai_mpi_join(&rank, &size)
        guard status == 0, size == count else {
            throw ProcessGroupError(
                description:
                    "Open MPI made a group of \(size) processes where mpirun started \(count) (status \(status)); "
                    + "the library and mpirun must be of one version")
        }
        return ProcessGroup(rank: Int(rank), count: count, localCount: localCount)
    }

    private init(rank: Int, count: Int, localCount: Int) {
        self.rank = rank
        self.count = count
        self.localCount = localCount
    }

    public func sum(_ numbers: UnsafeMutableBufferPointer<Float>) {
        guard let start = numbers.baseAddress else { return }
        check(deai_mpi_sum_floats(start, numbers.count))
    }

    public func sum(_ numbers: UnsafeMutableBufferPointer<Double>) {
        guard let start = numbers.baseAddress else { return }
        check(deai_mpi_sum_doubles(start, numbers.count))
    }

    public func broadcast(_ bytes: inout [UInt8]) {
        let size = sum([rank == 0 ? Double(bytes.count) : 0])
        if rank != 0 { bytes = [UInt8](repeating: 0, count: Int(size[0])) }
        bytes.withUnsafeMutableBytes { bytes in
            if let start = bytes.baseAddress { check(deai_mpi_broadcast(start, bytes.count)) }
        }
    }

    /// Waits for the others; nothing may be exchanged afterwards.
    public func leave() { check(deai_mpi_leave()) }

    /// Ends all processes at once; `mpirun` ends with this code.
    public func abort(_ code: Int32) -> Never {
        deai_mpi_abort(code)
        preconditionFailure("MPI_Abort came back")
    }

    /// The library ends the processes by itself, unless it is told otherwise.
    private func check(_ status: Int32) {
        precondition(status == 0, "an exchange between processes failed")
    }
}
