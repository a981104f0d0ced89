import ArgumentParser
import Foundation
import InternetComputer

/// The canister that a command of this file is about.
struct CanisterArgument: ParsableArguments {
    @Argument(help: "Canister id, or a name this project remembers.")
    var canister = CanisterIDs.standardName

    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    func opened() throws -> (id: Principal, management: ManagementCanister) {
        let (agent, id) = try network.agent(calling: canister)
        return (id, ManagementCanister(agent: agent))
    }

    /// Asks the management canister for something and says that it was done.
    func perform(_ event: String, _ action: (ManagementCanister, Principal) async throws -> Void) async throws {
        let (id, management) = try opened()
        try await explained { try await action(management, id) }
        report(event, id, management)
    }

    func report(_ event: String, _ id: Principal, _ management: ManagementCanister, cycles: UInt64? = nil) {
        if json {
            Console.json(
                CanisterEvent(event: event, canister: id, network: management.agent.network.name, cycles: cycles))
        } else {
            let detail = cycles.map { " with \(ProgressBar.grouped(Int(clamping: $0))) cycles" } ?? ""
            Console.result("\(event) canister \(id) on \(management.agent.network.name)\(detail)")
        }
    }
}

struct CanisterTopUpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top-up", abstract: "Give a canister cycles out of nothing, on a local network only.")

    @OptionGroup var canister: CanisterArgument

    @Option(help: "How many cycles.")
    var cycles: UInt64 = 10_000_000_000_000

    func run() async throws {
        let (id, management) = try canister.opened()
        guard management.agent.network.isLocal else {
            throw CommandFailure(
                .usage, "cycles come from nothing on a local network only; on \(management.agent.network.name) they are "
                    + "bought with that network's own tools")
        }
        try await explained { try await management.topUp(id, cycles: cycles) }
        canister.report("topped up", id, management, cycles: cycles)
    }
}

struct CanisterLogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a canister has logged: debug prints and the texts of traps.")

    @OptionGroup var canister: CanisterArgument

    private struct Line: Encodable {
        let event = "log"
        let index: UInt64
        let time: UInt64
        let text: String
    }

    func run() async throws {
        let (id, management) = try canister.opened()
        for record in try await explained({ try await management.logs(of: id) }) {
            let text = String(decoding: record.content, as: UTF8.self)
            if canister.json {
                Console.json(Line(index: record.index, time: record.time, text: text))
            } else {
                let date = Date(timeIntervalSince1970: Double(record.time) / 1e9)
                Console.result("[\(record.index). \(date.formatted(.iso8601))] \(text)")
            }
        }
    }
}

struct CanisterStartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Start a stopped canister.")

    @OptionGroup var canister: CanisterArgument

    func run() async throws {
        try await canister.perform("started") { try await $0.start($1) }
    }
}

struct CanisterStopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stop a canister once its open calls are answered.")

    @OptionGroup var canister: CanisterArgument

    func run() async throws {
        try await canister.perform("stopped") { try await $0.stop($1) }
    }
}

struct CanisterDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a stopped canister; its cycles are lost and its id is never used again.")

    @OptionGroup var canister: CanisterArgument

    func run() async throws {
        try await canister.perform("deleted") { try await $0.delete($1) }
    }
}
