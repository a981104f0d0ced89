import ArgumentParser
import Emulator
import Foundation

/// `deai-train pocket-ic`: what the clients of PocketIC start as their server.
struct PocketICCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pocket-ic", abstract: "Serve PocketIC's REST interface for test suites written against it.",
        discussion: """
            Point POCKET_IC_BIN to scripts/pocket-ic, which runs this command with the client's arguments. Instances \
            live in memory and have one subnet each. The server ends on SIGTERM, or when no request has come for \
            --ttl seconds.
            """)

    @Option(help: ArgumentHelp("File to write the port to once requests are accepted.", valueName: "file"))
    var portFile: String?

    @Option(help: "Port; 0 takes any free one.")
    var port = 0

    @Option(help: "Seconds without a request after which the server ends.")
    var ttl = 60

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port is between 0 and 65535") }
        guard ttl > 0 else { throw ValidationError("--ttl is at least 1") }
    }

    func run() async throws {
        let pocket = PocketServer()
        var configuration = EmulatorServer.Configuration()
        configuration.port = port
        let server = EmulatorServer(content: .pocket(pocket), configuration: configuration)
        do throws(EmulatorStartError) {
            try await server.run { port in
                announce(port)
                pocket.whenIdle(seconds: ttl) { kill(getpid(), SIGTERM) }
            }
        } catch {
            throw CommandFailure(.unavailable, error.description)
        }
        await pocket.shutdown()
    }

    /// The file is there in one piece or not at all; its line ends with a newline, which clients wait for.
    private func announce(_ port: Int) {
        guard let portFile else {
            Console.result("PocketIC's interface is at http://127.0.0.1:\(port)")
            return
        }
        do { try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: portFile), options: .atomic) } catch {
            Console.note("deai-train: \(portFile) cannot be written: \(error.localizedDescription)")
        }
    }
}
