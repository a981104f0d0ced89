import Foundation
import Interchange
import Testing

/// The ONNX project's tests of operators, as Debian's libonnx-testdata ships them: scripts/check-onnx-nodes.sh.
@Suite struct OperatorTests {
    static let folder = URL(
        fileURLWithPath: ProcessInfo.processInfo.environment["DEAI_ONNX_TESTDATA"] ?? "/usr/share/libonnx-testdata/data")
    static let isInstalled = FileManager.default.fileExists(atPath: folder.appendingPathComponent("node").path)
    static let comment: Comment = "libonnx-testdata is not installed; DEAI_ONNX_TESTDATA names its folder"

    /// Graphs that no classifier has, and a part of the message that refuses each.
    static func notApplicable(_ part: String) throws -> [String: String] {
        let text = try String(contentsOf: NetworkVector.file("not-applicable.txt"), encoding: .utf8)
        var result: [String: String] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix(part + "/") {
            let fields = line.dropFirst(part.count + 1).split(separator: " ", maxSplits: 1).map(String.init)
            result[fields[0]] = fields.count > 1 ? fields[1] : ""
        }
        return result
    }

    /// A graph passes when one reading of it gives the outputs and none gives others.
    @Test(.enabled(if: isInstalled, comment), arguments: ["node", "pytorch-converted", "pytorch-operator", "simple"])
    func claimedOperationsGiveTheGivenOutputs(part: String) throws {
        let folder = Self.folder.appendingPathComponent(part)
        let expected = try Self.notApplicable(part)
        var passed: [String: Int] = [:]
        var refused: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() {
            guard let one = try OperatorCase(folder.appendingPathComponent(name)) else { continue }
            let outcomes = one.outcomes()
            for case .different(let difference) in outcomes { Issue.record("\(part)/\(name): \(difference)") }
            if outcomes.contains(.equal) {
                for operation in one.operations { passed[operation, default: 0] += 1 }
                passed["", default: 0] += 1
                #expect(expected[name] == nil, "\(name) is listed as not applicable, but passes")
                continue
            }
            // What an image would get is the telling message.
            let messages = outcomes.map { if case .refused(let message) = $0 { message } else { "" } }
            let message = messages.dropFirst().first ?? messages[0]
            refused[name] = message
            let isNamed = messages.contains { $0.contains(expected[name] ?? "nothing: it is not listed") }
            #expect(isNamed, "\(part)/\(name) \(message)")
            #expect(message.contains("node “") || message.contains("tensor “") || message.contains("output “"))
        }
        let total = passed.removeValue(forKey: "") ?? 0
        #expect(total > 0 && refused.count == expected.count)
        // In one piece, as other parts print at the same time.
        var lines = [
            "ONNX \(part): \(total) of \(total + refused.count) graphs pass, \(refused.count) are refused by name",
            "  " + passed.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "),
        ]
        lines += refused.sorted { $0.key < $1.key }.map { "  refused \($0.key): \($0.value)" }
        print(lines.joined(separator: "\n"))
    }

    /// Borders of maxima are read as zeros, which is right for numbers that are not negative.
    @Test(
        .enabled(if: isInstalled, comment),
        arguments: ["pads", "precomputed_pads", "precomputed_same_upper", "same_lower", "same_upper", "ceil"])
    func maximaWithABorderBehindAReLU(kind: String) throws {
        let folder = Self.folder.appendingPathComponent("node/test_maxpool_2d_" + kind)
        let one = try #require(try OperatorCase(folder, behindReLU: true))
        #expect(one.outcomes().last == .equal)
    }
}
