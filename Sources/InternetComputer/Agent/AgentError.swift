/// Why a request did not get its answer.
public enum AgentError: Error, Equatable, Sendable {
    /// Nobody listens at the address.
    case nobodyAnswers(address: String, isLocal: Bool)
    case unreachable(address: String, reason: String)
    /// An HTTP status that is no answer, with the text that came along.
    case refused(status: Int, text: String)
    case rejected(Rejection)
    /// The call may or may not have happened: no final status came in time.
    case noAnswerInTime(RequestID, seconds: Int)
    /// The call was executed, but its answer has been pruned since.
    case answerPruned(RequestID)
    case certificate(CertificateError)
    case querySignature(String)
    case badAnswer(String)
    /// A root key may be fetched only from this machine.
    case noRootKey(address: String)
    case signing(String)
    case cancelled

    /// A refusal by the subnet or by a canister.
    public struct Rejection: Error, Equatable, Sendable {
        /// 1 system fatal, 2 system transient, 3 destination invalid, 4 canister reject, 5 canister error.
        public var code: UInt64
        public var message: String
        /// `IC0503` and the like.
        public var errorCode: String?
        /// Whether a certificate proves it.
        public var isCertified: Bool

        public init(code: UInt64, message: String, errorCode: String?, isCertified: Bool) {
            self.code = code
            self.message = message
            self.errorCode = errorCode
            self.isCertified = isCertified
        }
    }
}

extension AgentError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .nobodyAnswers(let address, true):
            "no emulator answers at \(address): start one with `deai-train emulator start`"
        case .nobodyAnswers(let address, false): "nobody answers at \(address)"
        case .unreachable(let address, let reason): "\(address) cannot be reached: \(reason)"
        case .refused(let status, let text):
            "the replica refused the request with HTTP status \(status)" + (text.isEmpty ? "" : ": \(text)")
        case .rejected(let rejection): rejection.description
        case .noAnswerInTime(let id, let seconds):
            "request \(id) has no answer after \(seconds) seconds; it may still be executed"
        case .answerPruned(let id): "request \(id) was executed, but its answer is no longer kept"
        case .certificate(let error): error.description
        case .querySignature(let reason): "the query's answer cannot be trusted: \(reason)"
        case .badAnswer(let what): "the replica's answer makes no sense: \(what)"
        case .noRootKey(let address): "the status of \(address) has no root key, so nothing it says can be verified"
        case .signing(let reason): "the request cannot be signed: \(reason)"
        case .cancelled: "the request was cancelled"
        }
    }
}

extension AgentError.Rejection: CustomStringConvertible {
    public var description: String {
        let name =
            switch code {
            case 1: "system error"
            case 2: "temporary system error"
            case 3: "no such destination"
            case 4: "refused by the canister"
            case 5: "canister error"
            default: "reject code \(code)"
            }
        return "rejected (\(name)\(errorCode.map { ", \($0)" } ?? "")): \(message)"
    }
}
