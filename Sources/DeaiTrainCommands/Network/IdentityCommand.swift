import ArgumentParser
import Foundation
import InternetComputer

/// `deai-train identity`: who signs the calls.
struct IdentityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "identity", abstract: "Show the principal of the key that signs calls; make it if there is none.")

    @Flag(help: "JSON Lines on standard output.")
    var json = false

    private struct Row: Encodable {
        let principal: Principal
        let file: String
        let publicKey: String
    }

    func run() async throws {
        let file = IdentityFile.standard(environment: ProcessInfo.processInfo.environment)
        let (identity, isNew) = try explained { try file.loadOrCreate() }
        if isNew { Console.note("made a new identity in \(file.path)") }
        if json {
            Console.json(
                Row(
                    principal: identity.principal, file: file.path,
                    publicKey: hexadecimal(identity.derPublicKey)))
        } else {
            Console.result(identity.principal.text)
        }
    }
}
