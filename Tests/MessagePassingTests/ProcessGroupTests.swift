import CMPI
import Foundation
import MessagePassing
import Testing

@Suite(.serialized) struct ProcessGroupTests {
    /// What mpirun says, and what a process that it did not start knows.
    @Test func theEnvironmentTellsWhatWasStarted() throws {
        #expect(ProcessGroup.started([:]) == nil)
        #expect(ProcessGroup.started(["OMPI_COMM_WORLD_SIZE": "many"]) == nil)
        let four = try #require(
            ProcessGroup.started(["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"]))
        #expect(four == (4, 2))
        #expect(try #require(ProcessGroup.started(["OMPI_COMM_WORLD_SIZE": "3"])) == (3, 1))
    }

    /// Alone, nothing is loaded, so that nothing has to be there.
    @Test(arguments: [[:], ["OMPI_COMM_WORLD_SIZE": "1"]])
    func oneProcessNeedsNoLibrary(environment: [String: String]) throws {
        setenv("DEAI_MPI", "/nowhere/libmpi.so", 1)
        defer { unsetenv("DEAI_MPI") }
        #expect(try ProcessGroup.join(environment) == nil)
    }

    @Test(arguments: ["/nowhere/libmpi.so", "libc.so.6"])
    func aLibraryThatIsNoneIsNamed(library: String) {
        setenv("DEAI_MPI", library, 1)
        defer { unsetenv("DEAI_MPI") }
        let error = #expect(throws: ProcessGroupError.self) {
            try ProcessGroup.join(["OMPI_COMM_WORLD_SIZE": "2"])
        }
        #expect(error?.description.contains("2 processes") == true)
        #expect(error?.description.contains(library == "libc.so.6" ? "ompi_mpi_comm_world" : library) == true)
        #expect(error?.description.contains("libopenmpi3") == true)
    }
}
