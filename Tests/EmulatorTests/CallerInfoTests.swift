import Emulator
import Foundation
import InternetComputer
import Testing

/// What `msg_caller_info_*` give: the sender_info of the request that a message belongs to, and nothing elsewhere.
@Suite struct CallerInfoTests {
    static let info = CallerInfo(data: Array("about the caller".utf8), signer: .canister(77))
    static let shown = info.signer.bytes + info.data

    private func submit(_ net: SubnetHarness, _ canister: Principal, _ method: String, _ info: CallerInfo?) async throws -> [UInt8] {
        var message = net.message(canister, method, [])
        message.callerInfo = info
        if case .rejected(let rejection) = await net.subnet.submit(message) { throw rejection }
        switch await net.subnet.waitForStatus(message.requestID, timeoutNanoseconds: 60_000_000_000) {
        case .replied(let bytes): return bytes
        case .rejected(let rejection): throw rejection
        case let status: throw Unexpected(text: "\(status)")
        }
    }

    @Test func isShownToEveryMessageOfTheRequestOnly() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.informed)
        #expect(try await submit(net, id, "info", Self.info) == Self.shown)
        #expect(try await submit(net, id, "info", nil) == [])
        // A query method called as an update.
        #expect(try await submit(net, id, "info_query", Self.info) == Self.shown)
        // The callee of an inter-canister call sees nothing; the callback sees it again.
        #expect(try await submit(net, id, "relay", Self.info) == Self.shown)
        for method in ["info_query", "crelay"] {
            for info in [Self.info, nil] {
                let message = QueryMessage(
                    sender: SubnetHarness.user, canister: id, method: method, argument: [], callerInfo: info)
                #expect(await net.subnet.query(message).answer == .replied(info == nil ? [] : Self.shown))
            }
        }
        // inspect_message lets `informed` pass for such callers only.
        #expect(try await submit(net, id, "informed", Self.info) == Self.shown)
        let refused = try await rejection { try await submit(net, id, "informed", nil) }
        #expect(refused.error == .canisterRejectedMessage)
        await net.subnet.shutdown()
    }

    /// A queued message keeps it over a restart.
    @Test(.timeLimit(.minutes(1))) func isKeptInTheStore() async throws {
        try await StateStoreTests.withDirectory { directory in
            let net = try SubnetHarness(directory: directory) {
                $0.limits.sliceInstructions = 1_000_000
                $0.limits.updateInstructions = 1_000_000_000_000
            }
            let id = try await net.create(TestModules.informed)
            #expect(await net.subnet.submit(net.message(id, "spin", [])) == .accepted)
            var message = net.message(id, "info", [])
            message.callerInfo = Self.info
            #expect(await net.subnet.submit(message) == .accepted)
            await net.subnet.shutdown()

            let later = try SubnetHarness(directory: directory, first: 1000) { $0.limits.updateInstructions = 1_000_000 }
            await later.subnet.settle()
            #expect(later.subnet.requestStatus(message.requestID) == .replied(Self.shown))
            await later.subnet.shutdown()
        }
    }
}
