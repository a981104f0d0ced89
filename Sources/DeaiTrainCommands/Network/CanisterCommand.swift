import ArgumentParser
import Foundation
import InternetComputer

/// `deai-train canister …`: life of canisters.
struct CanisterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "canister", abstract: "Create, install, upgrade, call and inspect canisters.",
        subcommands: [
            CanisterCreateCommand.self, CanisterInstallCommand.self, CanisterUpgradeCommand.self,
            CanisterStatusCommand.self, CanisterCallCommand.self, CanisterIDCommand.self, CanisterTopUpCommand.self,
            CanisterLogsCommand.self, CanisterStartCommand.self, CanisterStopCommand.self, CanisterDeleteCommand.self,
        ])
}

/// What `--json` prints about a canister.
struct CanisterEvent: Encodable {
    var event: String
    var name: String?
    var canister: Principal
    var network: String
    var moduleHash: String?
    var moduleBytes: Int?
    var cycles: UInt64?
}

struct CanisterCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create an empty canister on a local network and remember its id.",
        discussion: "A canister of this name that still exists is kept.")

    @Argument(help: "Name under which the project remembers the id.")
    var name = CanisterIDs.standardName

    @Option(help: "First balance in cycles; the network's default unless given.")
    var cycles: UInt64?

    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func run() async throws {
        let agent = try network.agent()
        guard agent.network.isLocal else {
            throw CommandFailure(
                .usage,
                "canisters on \(agent.network.name) cost cycles and are made with that network's own tools; "
                    + "then give the id to `deai-train canister install --canister ID`")
        }
        let management = ManagementCanister(agent: agent)
        var ids = try CanisterIDs()
        if let known = ids[name, on: agent.network], try await exists(known, management) {
            report(known, "kept", agent)
            return
        }
        let id = try await explained { try await management.provisionalCreate(cycles: cycles) }
        try ids.remember(id, as: name, on: agent.network)
        report(id, "created", agent)
    }

    private func exists(_ id: Principal, _ management: ManagementCanister) async throws -> Bool {
        do {
            _ = try await management.status(of: id)
            return true
        } catch AgentError.rejected(let rejection) where rejection.code == 3 {
            return false
        } catch AgentError.refused(let status, _) where status == 400 || status == 404 {
            return false
        } catch { return try explained { throw error } }
    }

    private func report(_ id: Principal, _ event: String, _ agent: Agent) {
        if json {
            Console.json(CanisterEvent(event: event, name: name, canister: id, network: agent.network.name))
        } else {
            Console.result("\(event) canister \(name) = \(id) on \(agent.network.name)")
        }
    }
}

/// The argument of an init or upgrade method.
struct InitArgumentOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Argument of the canister's init method, as Candid text.", valueName: "text"))
    var argument = "()"

    @Option(help: ArgumentHelp("The same as bytes in hexadecimal.", valueName: "hex"))
    var argHex: String?

    func bytes() throws -> [UInt8] { try CandidArgument(text: argument, hexadecimal: argHex).encoded(method: nil) }
}

struct CanisterInstallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install", abstract: "Install a Wasm module into an empty canister.")

    @Argument(help: "The module, plain or gzip-ed.")
    var module = "build/canister.wasm"

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions
    @OptionGroup var argument: InitArgumentOptions

    @Flag(help: "Drop code and all memory of the canister first.")
    var reinstall = false

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func run() async throws {
        try await installModule(
            module, mode: reinstall ? .reinstall : .install, canister, network, argument, json: json)
    }
}

struct CanisterUpgradeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade", abstract: "Replace a canister's module; its stable memory stays.")

    @Argument(help: "The module, plain or gzip-ed.")
    var module = "build/canister.wasm"

    @OptionGroup var canister: CanisterOptions
    @OptionGroup var network: NetworkOptions
    @OptionGroup var argument: InitArgumentOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func run() async throws {
        try await installModule(module, mode: .upgrade, canister, network, argument, json: json)
    }
}

private func installModule(
    _ path: String, mode: ManagementCanister.InstallMode, _ canister: CanisterOptions, _ network: NetworkOptions,
    _ argument: InitArgumentOptions, json: Bool
) async throws {
    let module = try contents(ofFile: path)
    guard module.starts(with: [0x00, 0x61, 0x73, 0x6d]) || module.starts(with: [0x1f, 0x8b]) else {
        throw CommandFailure(.badData, "\(path) is no Wasm module: build one with `make canister`")
    }
    let argument = try argument.bytes()
    let (agent, id) = try canister.opened(network)
    let hash = try await explained {
        try await ManagementCanister(agent: agent).install(id, module: module, argument: argument, mode: mode)
        return try await agent.moduleHash(of: id)
    }
    let text = hash.map { hexadecimal($0) }
    if json {
        Console.json(
            CanisterEvent(
                event: "installed", canister: id, network: agent.network.name, moduleHash: text,
                moduleBytes: module.count))
    } else {
        Console.result(
            "\(mode == .upgrade ? "upgraded" : "installed") \(path) (\(ProgressBar.grouped(module.count)) bytes) "
                + "in \(id), module hash \(text ?? "none")")
    }
}

struct CanisterStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show state, module, memory, controllers and cycles of a canister.")

    @Argument(help: "Canister id, or a name this project remembers.")
    var canister = CanisterIDs.standardName

    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func run() async throws {
        let (agent, id) = try network.agent(calling: canister)
        let status = try await explained { try await ManagementCanister(agent: agent).status(of: id) }
        if json {
            Console.json(status)
            return
        }
        Console.result("canister    \(id) on \(agent.network.name), \(status.status)")
        Console.result("module      \(status.moduleHash ?? "none")")
        Console.result("memory      \(ProgressBar.grouped(Int(clamping: status.memoryBytes))) bytes")
        Console.result("controllers \(status.controllers.map(\.text).joined(separator: " "))")
        Console.result("cycles      \(status.cycles), burns \(status.idleCyclesBurnedPerDay) a day")
        if let frozen = status.daysUntilFrozen, let empty = status.daysUntilEmpty {
            Console.result(
                "frozen in   \(ProgressBar.quantity(frozen)) days, empty in \(ProgressBar.quantity(empty)), by storage alone")
        }
    }
}

struct CanisterIDCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "id", abstract: "Print the id remembered under a name.")

    @Argument(help: "Name of the canister.")
    var name = CanisterIDs.standardName

    @OptionGroup var network: NetworkOptions

    func run() async throws {
        Console.result(try CanisterIDs.resolve(name, on: network.resolved()).text)
    }
}
