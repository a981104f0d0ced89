import ArgumentParser
import Emulator
import Foundation
import InternetComputer
import Logging

/// `deai-train emulator …`: the local subnet.
struct EmulatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "emulator", abstract: "Run a local Internet Computer subnet.",
        subcommands: [
            EmulatorStartCommand.self, EmulatorStatusCommand.self, EmulatorStopCommand.self, EmulatorCleanCommand.self,
            EmulatorSnapshotCommand.self,
        ])
}

struct EmulatorStateOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Folder for everything the emulator keeps.", valueName: "dir"))
    var state = ".deai/emulator"

    var directory: StateDirectory { StateDirectory(path: state) }
}

struct EmulatorStartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Start the subnet and serve it until SIGINT or SIGTERM.")

    @Option(help: "Port; 0 takes any free one.")
    var port = 4943

    @Option(help: "Address to listen at. Whoever reaches it can do anything with the subnet.")
    var host = "127.0.0.1"

    @OptionGroup var state: EmulatorStateOptions

    @Flag(help: "Return as soon as the subnet answers; it goes on in the background and logs to its folder.")
    var background = false

    @Option(help: "What is logged to standard error: trace, debug, info, notice, warning, error or critical.")
    var logLevel = Logger.Level.info

    @Option(
        help: ArgumentHelp(
            "Hold messages back as the rounds of a real subnet do: each second, on each of four threads, at most N instructions.",
            discussion: "The documents say 7000000000, the replica's code 4000000000. Without it messages run at once.",
            valueName: "N"))
    var roundInstructions: UInt64?

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port is between 0 and 65535") }
        guard roundInstructions != 0 else { throw ValidationError("--round-instructions is at least 1") }
    }

    func run() async throws {
        if background {
            let record = try await BackgroundEmulator(directory: state.directory)
                .start(arguments: ["--port", "\(port)", "--host", host, "--state", state.state] + childOptions)
            announce(record)
            return
        }
        let directory = state.directory
        do { try await serve(directory) } catch let error as EmulatorStartError {
            throw CommandFailure(Self.exitStatus(of: error), error.description)
        }
    }

    private var childOptions: [String] {
        ["--log-level", logLevel.rawValue] + (roundInstructions.map { ["--round-instructions", "\($0)"] } ?? [])
    }

    /// Metadata goes into each line as `key=value`.
    private func openLog() -> Logger {
        let level = logLevel
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        return Logger(label: "deai.emulator")
    }

    private func serve(_ directory: StateDirectory) async throws {
        let logger = openLog()
        let lock = try directory.acquire()
        defer { withExtendedLifetime(lock) {} }
        let keys = try ReplicaKeys.loadOrCreate(stateDirectory: directory.url)
        var configuration = SubnetConfiguration(subnetID: keys.subnetID)
        configuration.certifier = keys
        configuration.nodeID = keys.nodeID
        configuration.logger = logger
        configuration.limits.roundInstructions = roundInstructions
        configuration.onDebugPrint = { canister, text in Console.note("[\(canister)] \(text)") }
        let subnet: Subnet
        do { subnet = try Subnet(configuration: configuration, stateDirectory: directory.url) } catch {
            throw CommandFailure(.unavailable, "the emulator cannot start: \(error)")
        }
        var serverConfiguration = EmulatorServer.Configuration()
        serverConfiguration.host = host
        serverConfiguration.port = port
        serverConfiguration.logger = logger
        var endpoints = Endpoints(replica: subnet, keys: keys)
        endpoints.logger = logger
        let server = EmulatorServer(endpoints: endpoints, configuration: serverConfiguration)
        do {
            try await server.run { port in
                let record = StateDirectory.Record(
                    processID: getpid(), host: host, port: port, rootKey: hexadecimal(keys.rootKey),
                    startedAt: Int(Date().timeIntervalSince1970))
                do { try directory.write(record) } catch { Console.note("deai-train: \(error)") }
                announce(record)
            }
        } catch {
            await subnet.shutdown()
            throw error
        }
        directory.removeRecord()
        await subnet.shutdown()
        Console.note("the emulator has stopped; its state is in \(directory.url.path)")
    }

    private func announce(_ record: StateDirectory.Record) {
        if json {
            Console.json(EmulatorEvent(event: "started", record))
        } else {
            Console.result("emulator ready at \(record.address) (process \(record.processID))")
        }
    }

    private static func exitStatus(of error: EmulatorStartError) -> ExitStatus {
        switch error {
        case .portTaken, .cannotListen, .stateInUse: .unavailable
        case .state, .keys: .inputOutput
        }
    }
}

/// What `--json` prints about an emulator.
struct EmulatorEvent: Encodable {
    let event: String
    let address: String
    let process: Int32
    let port: Int
    let rootKey: String

    init(event: String, _ record: StateDirectory.Record) {
        self.event = event
        address = record.address
        process = record.processID
        port = record.port
        rootKey = record.rootKey
    }
}

struct EmulatorStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say whether the emulator of a folder runs, and where.",
        discussion: "Ends with exit code 69 when it does not run or does not answer.")

    @OptionGroup var state: EmulatorStateOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func run() async throws {
        guard let record = state.directory.running else {
            throw CommandFailure(
                .unavailable, "no emulator runs on \(state.state): start one with `deai-train emulator start`")
        }
        let network = try explained { try Network(record.address) }
        let status = try await explained { try await Agent(network: network, identity: .anonymous).status() }
        if json {
            Console.json(EmulatorEvent(event: "running", record))
        } else {
            Console.result(
                "emulator at \(record.address) is \(status.health ?? "of unknown health") (process \(record.processID))")
        }
    }
}

struct EmulatorStopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stop the emulator of a folder; its state stays.")

    @OptionGroup var state: EmulatorStateOptions

    @Option(help: "Seconds to wait for running messages to end.")
    var timeout = 30

    func run() async throws {
        let directory = state.directory
        guard directory.isHeld else {
            Console.result("no emulator runs on \(state.state)")
            return
        }
        guard let record = directory.running, kill(record.processID, SIGTERM) == 0 else {
            throw CommandFailure(.failure, "the emulator of \(state.state) is starting or cannot be signalled: try again")
        }
        for _ in 0..<timeout * 20 {
            try await Task.sleep(for: .milliseconds(50))
            guard directory.isHeld else {
                Console.result("the emulator has stopped")
                return
            }
        }
        throw CommandFailure(
            .failure, "process \(record.processID) has not stopped within \(timeout) seconds; it may be killed "
                + "without harm, as everything acknowledged is stored")
    }
}
