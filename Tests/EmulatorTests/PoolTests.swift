import Emulator
import Foundation
import InternetComputer
import Testing

/// Queries on instances that serve one after the other, and updates that run in slices.
@Suite struct PoolTests {
    @Test func queriesDuringCommitsAreNeverTornOrStale() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.consistent)
        let updates = 300
        let answered = await withTaskGroup(of: Int.self) { group in
            group.addTask {
                for _ in 0..<updates { _ = try? await net.update(id, "bump") }
                return 0
            }
            for _ in 0..<3 {
                group.addTask {
                    var (last, count) = (UInt32(0), 0)
                    while last < updates {
                        // `check` traps when heap pages, the global and stable memory are of different commits.
                        guard let answer = try? await net.query(id, "check") else {
                            Issue.record("a query saw a torn state")
                            return count
                        }
                        #expect(u32(answer) >= last)
                        last = u32(answer)
                        count += 1
                    }
                    return count
                }
            }
            return await group.reduce(0, +)
        }
        #expect(answered > updates / 4)
        // An acknowledged update is seen by the very next query.
        for expected in UInt32(updates + 1)...UInt32(updates + 50) {
            #expect(u32(try await net.update(id, "bump")) == expected)
            #expect(u32(try await net.query(id, "check")) == expected)
            #expect(u32(try await net.query(id, "untouched")) == 0)
        }
        await net.subnet.shutdown()
    }

    @Test func aBatchIsAnsweredInOrder() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        let messages = (0..<500).map {
            QueryMessage(sender: .anonymous, canister: id, method: "echo", argument: [UInt8($0 & 255), UInt8($0 >> 8)])
        }
        let answers = await net.subnet.query(messages).map(\.answer)
        #expect(answers == messages.map { .replied($0.argument) })
        await net.subnet.shutdown()
    }

    @Test func instancesOutliveReinstallsAndGrowth() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        #expect(u32(try await net.query(id, "scribble")) == 99)
        #expect(u32(try await net.query(id, "get")) == 0)
        try await net.update(id, "grow")
        #expect(u32(try await net.query(id, "grown")) == 77)
        try await net.install(id, TestModules.consistent, "reinstall")
        #expect(u32(try await net.query(id, "check")) == 0)
        await net.subnet.shutdown()
    }

    /// More canisters than instances may wait: the oldest make room and everything still answers.
    @Test func manyCanistersShareThePool() async throws {
        let net = try SubnetHarness()
        var ids: [Principal] = []
        for _ in 0..<60 { ids.append(try await net.create(TestModules.counter)) }
        for round in 0..<2 {
            for id in ids { #expect(u32(try await net.query(id, "get")) == UInt32(round)) }
            for id in ids { try await net.update(id, "inc") }
        }
        await net.subnet.shutdown()
    }

    /// More endless loops than threads, and everybody else is served: a used-up slice hands the thread on.
    @Test(.timeLimit(.minutes(2))) func endlessLoopsBlockNobody() async throws {
        let net = try SubnetHarness {
            $0.limits.sliceInstructions = 1_000_000
            $0.limits.updateInstructions = 1_000_000_000_000
            $0.workerThreads = 2
        }
        let spinning = try await [net.create(TestModules.consistent), net.create(TestModules.consistent), net.create(TestModules.consistent)]
        let counter = try await net.create(TestModules.counter)
        let loops = spinning.map { net.message($0, "spin", []) }
        for loop in loops { #expect(await net.subnet.submit(loop) == .accepted) }
        for expected in 1...20 { #expect(u32(try await net.update(counter, "inc")) == UInt32(expected)) }
        for loop in loops { #expect(net.subnet.requestStatus(loop.requestID) == .processing) }
        await net.subnet.shutdown()
    }

    /// A message that a shutdown interrupts has not happened, and happens after the next start.
    @Test func interruptedMessagesRunAgain() async throws {
        try await StateStoreTests.withDirectory { directory in
            let first = try SubnetHarness(directory: directory) {
                $0.limits.sliceInstructions = 1_000_000
                $0.limits.updateInstructions = 1_000_000_000_000
            }
            let id = try await first.create(TestModules.consistent)
            let loop = first.message(id, "spin", [])
            #expect(await first.subnet.submit(loop) == .accepted)
            await first.subnet.shutdown()
            let second = try SubnetHarness(directory: directory, first: 1000) { $0.limits.updateInstructions = 100_000_000 }
            let status = await second.subnet.waitForStatus(loop.requestID, timeoutNanoseconds: 60_000_000_000)
            guard case .rejected(let rejection) = status else { throw Unexpected(text: "\(status)") }
            #expect(rejection.error == .canisterInstructionLimitExceeded)
            await second.subnet.shutdown()
        }
    }
}
