import ArgumentParser
import Foundation
import InternetComputer
import Upload

/// The options of every command that talks to a network.
struct NetworkOptions: ParsableArguments {
    @Option(help: ArgumentHelp("local, ic, or the URL of a replica.", valueName: "network"))
    var network = "local"

    @Option(help: ArgumentHelp("Root key (DER, hexadecimal) of a network other than ic.", valueName: "hex"))
    var rootKey: String?

    /// The agent of the user's identity on this network.
    func agent() throws -> Agent {
        let network = try resolved()
        let file = IdentityFile.standard(environment: ProcessInfo.processInfo.environment)
        let (identity, isNew) = try explained { try file.loadOrCreate() }
        if isNew { Console.note("made a new identity \(identity.principal) in \(file.path)") }
        return Agent(network: network, identity: .ed25519(identity))
    }

    /// The agent and the canister it is to call, by id or name; an unknown name is refused before a key is made.
    func agent(calling canister: String) throws -> (agent: Agent, canister: Principal) {
        let id = try CanisterIDs.resolve(canister, on: resolved())
        return (try agent(), id)
    }

    func resolved() throws -> Network {
        var key: [UInt8]?
        if let rootKey {
            guard let decoded = bytes(hexadecimal: rootKey) else {
                throw CommandFailure(.usage, "--root-key is no hexadecimal text")
            }
            key = decoded
        }
        return try explained { try Network(network, rootKey: key) }
    }
}

extension Network {
    /// Whether cycles cost nothing there: a development network on this machine.
    var isLocal: Bool { rootKey == .fetched }
}

/// The options of commands about one canister.
struct CanisterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Canister id, or a name this project remembers.", valueName: "id or name"))
    var canister = CanisterIDs.standardName

    /// The agent of these options and the canister.
    func opened(_ network: NetworkOptions) throws -> (agent: Agent, canister: Principal) {
        try network.agent(calling: canister)
    }

    func client(_ network: NetworkOptions) throws -> ClassifierClient {
        let (agent, id) = try opened(network)
        return ClassifierClient(agent: agent, canister: id)
    }
}

/// Runs `body` and turns the errors of the modules below into a sentence and an exit code.
func explained<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch { throw commandFailure(error) }
}

/// Runs `body` and turns the errors of the modules below into a sentence and an exit code.
func explained<Value>(_ body: () async throws -> Value) async throws -> Value {
    do { return try await body() } catch { throw commandFailure(error) }
}

private func commandFailure(_ error: any Error) -> any Error {
    switch error {
    case let error as AgentError: CommandFailure(exitStatus(of: error), error.description)
    case let error as ClassifierError: CommandFailure(exitStatus(of: error), error.description)
    case .classifier(let inner) as UploadError: CommandFailure(exitStatus(of: inner), inner.description)
    case let error as UploadError: CommandFailure(exitStatus(of: error), error.description)
    case let error as ProofError: CommandFailure(exitStatus(of: error), error.description)
    case let error as NetworkError: CommandFailure(.usage, error.description)
    case let error as PrincipalError: CommandFailure(.usage, error.description)
    case let error as IdentityError: CommandFailure(exitStatus(of: error), error.description)
    default: error
    }
}

private func exitStatus(of error: AgentError) -> ExitStatus {
    switch error {
    case .nobodyAnswers, .unreachable, .noAnswerInTime: .unavailable
    case .cancelled: .interrupted
    case .refused(let status, _): status == 429 || status >= 500 ? .unavailable : .failure
    case .rejected, .answerPruned, .certificate, .querySignature, .badAnswer, .noRootKey, .signing: .failure
    }
}

private func exitStatus(of error: ClassifierError) -> ExitStatus {
    switch error {
    case .agent(let error): exitStatus(of: error)
    case .refused(.rateLimited): .unavailable
    case .refused(.badImage), .refused(.badModel), .refused(.wrongSize): .badData
    case .refused, .notAClassifier: .failure
    }
}

private func exitStatus(of error: UploadError) -> ExitStatus {
    switch error {
    case .unreadable, .unwritable: .inputOutput
    case .notAModel, .changed: .badData
    case .badAnswer, .incomplete: .failure
    case .classifier(let error): exitStatus(of: error)
    }
}

private func exitStatus(of error: ProofError) -> ExitStatus {
    switch error {
    case .agent(let error): exitStatus(of: error)
    case .classifier(let error): exitStatus(of: error)
    case .certificate, .unreadableWitness, .otherRoot, .otherFact: .failure
    }
}

private func exitStatus(of error: IdentityError) -> ExitStatus {
    switch error {
    case .unreadable: .inputOutput
    case .tooOpen: .failure
    case .badSeed, .notPEM, .notEd25519: .badData
    }
}

/// The whole file, or a sentence that says why not.
func contents(ofFile path: String) throws -> [UInt8] {
    do {
        return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
        let isThere = FileManager.default.fileExists(atPath: path)
        throw CommandFailure(.inputOutput, isThere ? "\(path) cannot be read" : "there is no file \(path)")
    }
}
