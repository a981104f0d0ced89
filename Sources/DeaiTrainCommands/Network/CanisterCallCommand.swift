import ArgumentParser
import Candid
import Foundation
import InternetComputer

/// `deai-train canister call ID METHOD '(…)'`: any method of any canister.
struct CanisterCallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "call", abstract: "Call a method of a canister and print its answer as Candid text.",
        discussion: """
            The canister's own interface (its public metadata `candid:service`) tells whether a method is a query \
            and gives types to the argument and names to the answer.
            """)

    @Argument(help: "Canister id, a name this project remembers, or aaaaa-aa.")
    var canister: String

    @Argument(help: "Method name.")
    var method: String

    @Argument(help: "Argument as Candid text.")
    var argument = "()"

    @Option(help: ArgumentHelp("The argument as bytes in hexadecimal.", valueName: "hex"))
    var argHex: String?

    @Flag(inversion: .prefixedNo, help: "Ask as a query; the interface decides unless given.")
    var query: Bool?

    @Option(help: ArgumentHelp("Interface file instead of the canister's own.", valueName: "file.did"))
    var candid: String?

    @Option(help: ArgumentHelp("Canister a management call is about; the argument tells unless given.", valueName: "id"))
    var effectiveCanister: String?

    @OptionGroup var network: NetworkOptions

    @Flag(help: "JSON Lines on standard output; the answer is also given as bytes.")
    var json = false

    private struct Answer: Encodable {
        let event = "answer"
        let text: String
        let hex: String
        let certified: Bool
    }

    func run() async throws {
        let (agent, id) = try network.agent(calling: canister)
        let interface = try await interface(of: id, agent)
        let bytes = try CandidArgument(text: argument, hexadecimal: argHex)
            .encoded(method: interface?.method(method), definitions: interface?.definitions ?? [])
        let effective = try effectiveCanister.map { try CanisterIDs.resolve($0, on: agent.network) }
            ?? (id == .managementCanister ? Self.concerned(by: bytes) : nil)
        let isQuery = query ?? interface?.method(method)?.annotation.map { $0 != .oneway } ?? false
        let reply = try await explained {
            if isQuery {
                return try await agent.query(id, method, bytes, effectiveCanister: effective).bytes
            }
            return try await agent.call(id, method, bytes, effectiveCanister: effective).bytes
        }
        let text = try text(of: reply, interface)
        if json {
            Console.json(Answer(text: text, hex: hexadecimal(reply), certified: !isQuery))
        } else {
            Console.result(text)
        }
    }

    /// The canister that a management call is about, as its argument says.
    private static func concerned(by argument: [UInt8]) -> Principal? {
        guard let record = try? Candid.decode(argument).first,
            let bytes = (record["canister_id"] ?? record["target_canister"])?.asBytes
        else { return nil }
        return try? Principal(bytes: bytes)
    }

    private func text(of reply: [UInt8], _ interface: CandidText.Interface?) throws -> String {
        do {
            let names = interface?.fieldNames ?? [:]
            return CandidText.print(try Candid.decode(reply)) { names[$0] }
        } catch {
            Console.note("the answer is no Candid (\(error.text)); here are its bytes")
            return hexadecimal(reply)
        }
    }

    /// The interface file given, or the one the canister carries; nil when it has none.
    private func interface(of id: Principal, _ agent: Agent) async throws -> CandidText.Interface? {
        let text: String
        if let candid {
            text = String(decoding: try contents(ofFile: candid), as: UTF8.self)
        } else {
            guard id != .managementCanister else { return ManagementInterface.parsed }
            let path = [Array("canister".utf8), id.bytes, Array("metadata".utf8), Array("candid:service".utf8)]
            let state: CertifiedState
            do { state = try await agent.readState([path], effectiveCanister: id) } catch .refused {
                return nil
            } catch { return try explained { throw error } }
            guard case .found(let bytes) = state.lookup(path) else { return nil }
            text = String(decoding: bytes, as: UTF8.self)
        }
        do { return try CandidText.parseInterface(text) } catch {
            guard candid != nil else { return nil }
            throw CommandFailure(.badData, "\(candid ?? "the interface"): \(error)")
        }
    }
}

/// An argument as the user wrote it.
struct CandidArgument {
    var text: String
    var hexadecimal: String?

    /// The bytes of the argument: at the types of `method` when they are known, at inferred ones else.
    func encoded(method: CandidFunction?, definitions: [CandidType] = []) throws -> [UInt8] {
        if let hexadecimal {
            guard let bytes = InternetComputer.bytes(hexadecimal: hexadecimal) else {
                throw CommandFailure(.usage, "--arg-hex is no hexadecimal text")
            }
            return bytes
        }
        do {
            if let method {
                let values = try CandidText.parseArguments(text, as: method.arguments, definitions: definitions)
                return try Candid.encode(values, as: method.arguments, definitions: definitions)
            }
            return try Candid.encode(
                CandidText.parseArguments(text), as: CandidText.inferredTypes(text))
        } catch let error as CandidText.Failure {
            throw CommandFailure(.usage, "the argument \(text) cannot be read: \(error)")
        } catch let error as CandidError {
            throw CommandFailure(.usage, "the argument \(text) does not fit: \(error.text)")
        }
    }
}
