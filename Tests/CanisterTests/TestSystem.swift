import Candid
import Canister
import IC0

/// A system whose stable memory is an array, whose callers are what the test says.
final class TestSystem: SystemAPI {
    var stable: [UInt8] = []
    var pageLimit: UInt64 = 4_096
    var currentCaller: [UInt8] = TestSystem.controller
    var controllers: [[UInt8]] = [TestSystem.controller]
    var currentTime: UInt64 = 1_000
    var instructionsPerCall: UInt64 = 1_000
    private var instructions: UInt64 = 0

    var message: [UInt8] = []
    var method: [UInt8] = []
    private(set) var replies: [[UInt8]] = []
    private(set) var rejections: [[UInt8]] = []
    private(set) var accepted = 0

    static let controller: [UInt8] = [1, 1]
    static let uploader: [UInt8] = [2, 2]
    static let stranger: [UInt8] = [3, 3]
    static let anonymous: [UInt8] = [4]

    func begin(_ argument: [UInt8], caller: [UInt8]) {
        message = argument
        currentCaller = caller
        (replies, rejections, accepted, instructions) = ([], [], 0, 0)
    }

    func argument() -> [UInt8] { message }
    func argumentSize() -> Int { message.count }

    func argument(from offset: Int, into buffer: UnsafeMutableRawBufferPointer) {
        message.withUnsafeBytes {
            buffer.copyMemory(from: .init(rebasing: $0[offset..<(offset + buffer.count)]))
        }
    }

    func caller() -> [UInt8] { currentCaller }
    func isController(_ principal: [UInt8]) -> Bool { controllers.contains(principal) }
    func canisterSelf() -> [UInt8] { [0, 0, 0, 0, 0, 0, 0, 7, 1, 1] }
    func reply(_ bytes: [UInt8]) { replies.append(bytes) }
    func reject(_ text: [UInt8]) { rejections.append(text) }
    func methodName() -> [UInt8] { method }
    func acceptMessage() { accepted += 1 }
    func time() -> UInt64 { currentTime }

    func performanceCounter() -> UInt64 {
        instructions += instructionsPerCall
        return instructions
    }

    var certifiedData: [UInt8] = []
    var certificate: [UInt8]?

    func setCertifiedData(_ data: [UInt8]) { certifiedData = data }
    func dataCertificate() -> [UInt8]? { certificate }

    func stableSize() -> UInt64 { UInt64(stable.count) / 65_536 }

    func stableGrow(_ pages: UInt64) -> UInt64? {
        let former = stableSize()
        guard former + pages <= pageLimit else { return nil }
        stable += [UInt8](repeating: 0, count: Int(pages) * 65_536)
        return former
    }

    func stableRead(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
        stable.withUnsafeBytes {
            buffer.copyMemory(from: .init(rebasing: $0[Int(offset)..<(Int(offset) + buffer.count)]))
        }
    }

    func stableWrite(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) {
        stable.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[Int(offset)..<(Int(offset) + bytes.count)])
                .copyMemory(from: bytes)
        }
    }
}

/// A canister on a test system: calls it as the network would.
final class TestCanister {
    let system = TestSystem()
    private(set) var classifier: Classifier<TestSystem>
    private let budgets: Budgets

    private let assets: [WebAsset]

    init(assets: [WebAsset] = [], budgets: Budgets = Budgets()) throws {
        self.assets = assets
        self.budgets = budgets
        classifier = Classifier(system: system, assets: assets, budgets: budgets)
        try classifier.install()
    }

    /// A new heap over the same stable memory.
    func upgrade() throws {
        classifier = Classifier(system: system, assets: assets, budgets: budgets)
        try classifier.restore()
    }

    /// Calls a method with raw bytes: exactly one reply or rejection.
    func raw(_ method: Method, _ argument: [UInt8], caller: [UInt8]) throws -> Outcome {
        system.begin(argument, caller: caller)
        classifier.handle(method)
        guard system.replies.count + system.rejections.count == 1 else { throw Fault.notOneAnswer }
        guard let reply = system.replies.first else { return .rejected }
        return .replied(try Candid.decode(reply, as: [method.resultType])[0])
    }

    /// The reply's bytes.
    func bytes(_ method: Method, _ argument: [UInt8]) throws -> [UInt8] {
        _ = try raw(method, argument, caller: TestSystem.stranger)
        guard let reply = system.replies.first else { throw Fault.rejected }
        return reply
    }

    /// Calls a method with values.
    func call(
        _ method: Method, _ values: CandidValue..., caller: [UInt8] = TestSystem.controller
    ) throws -> CandidValue {
        let argument = try Candid.encode(values, as: method.argumentTypes)
        guard case .replied(let value) = try raw(method, argument, caller: caller) else {
            throw Fault.rejected
        }
        return value
    }

    /// Whether the message would be let in.
    func isAccepted(_ method: String, _ argument: [UInt8] = [], caller: [UInt8]) -> Bool {
        system.begin(argument, caller: caller)
        system.method = Array(method.utf8)
        classifier.inspect()
        return system.accepted == 1
    }

    enum Outcome {
        case replied(CandidValue)
        case rejected
    }

    enum Fault: Error {
        case notOneAnswer, rejected
    }
}

extension CandidValue {
    var ok: CandidValue? { payload(of: "ok") }
    var err: CandidValue? { payload(of: "err") }
}
