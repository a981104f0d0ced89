import Foundation
import InternetComputer

/// The canister ids a project remembers by name, for each network, in `.deai/canisters.json`.
struct CanisterIDs {
    static let standardName = "classifier"

    private let path: String
    /// Network name → canister name → id.
    private var ids: [String: [String: Principal]]

    init(path: String = ".deai/canisters.json") throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: path) else {
            ids = [:]
            return
        }
        let data = Data(try contents(ofFile: path))
        do { ids = try JSONDecoder().decode([String: [String: Principal]].self, from: data) } catch {
            throw CommandFailure(
                .badData, "\(path) is damaged: it should map network names to canister names to ids")
        }
    }

    subscript(name: String, on network: Network) -> Principal? { ids[network.name]?[name] }

    func all(on network: Network) -> [(name: String, id: Principal)] {
        (ids[network.name] ?? [:]).map { (name: $0.key, id: $0.value) }.sorted { $0.name < $1.name }
    }

    mutating func remember(_ id: Principal, as name: String, on network: Network) throws {
        ids[network.name, default: [:]][name] = id
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let url = URL(fileURLWithPath: path)
        do {
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try (encoder.encode(ids) + Data("\n".utf8)).write(to: url, options: .atomic)
        } catch { throw CommandFailure(.inputOutput, "\(path) cannot be written: \(error.localizedDescription)") }
    }

    /// An id as it stands, or the one remembered under a name.
    static func resolve(_ text: String, on network: Network) throws -> Principal {
        if let id = try? Principal(text: text) { return id }
        let known = try CanisterIDs()
        if let id = known[text, on: network] { return id }
        // A name has no dashes in groups of five; what looks like an id deserves the parser's own words.
        if text.count > 20, text.contains("-") { _ = try explained { try Principal(text: text) } }
        throw CommandFailure(
            .usage,
            "no canister '\(text)' is known on \(network.name): create one with "
                + "`deai-train canister create\(text == standardName ? "" : " " + text)`, or give --canister ID")
    }
}
