import InternetComputer

/// What a canister that signs for a sender vouches for about that sender (field `sender_info` of a request).
public struct CallerInfo: Sendable, Equatable {
    /// Bytes that the called canister reads with `msg_caller_info_data_copy`.
    public var data: [UInt8]
    public var signer: Principal

    public init(data: [UInt8], signer: Principal) {
        self.data = data
        self.signer = signer
    }
}

/// An authenticated update call as it entered through the HTTP interface: signature, delegation and expiry are already checked.
public struct IngressMessage: Sendable, Equatable {
    /// The 32-byte request id of the call's content.
    public var requestID: [UInt8]
    public var sender: Principal
    /// The callee; the empty principal is the management canister.
    public var canister: Principal
    public var method: String
    public var argument: [UInt8]
    /// Nanoseconds since 1970.
    public var ingressExpiry: UInt64
    /// Size of the whole signed envelope, which the receiver pays for.
    public var envelopeBytes: Int
    public var callerInfo: CallerInfo?

    public init(
        requestID: [UInt8], sender: Principal, canister: Principal, method: String, argument: [UInt8],
        ingressExpiry: UInt64, envelopeBytes: Int, callerInfo: CallerInfo? = nil
    ) {
        self.requestID = requestID
        self.sender = sender
        self.canister = canister
        self.method = method
        self.argument = argument
        self.ingressExpiry = ingressExpiry
        self.envelopeBytes = envelopeBytes
        self.callerInfo = callerInfo
    }
}

/// A non-replicated query as it entered through the HTTP interface.
public struct QueryMessage: Sendable, Equatable {
    public var sender: Principal
    public var canister: Principal
    public var method: String
    public var argument: [UInt8]
    public var callerInfo: CallerInfo?

    public init(
        sender: Principal, canister: Principal, method: String, argument: [UInt8], callerInfo: CallerInfo? = nil
    ) {
        self.sender = sender
        self.canister = canister
        self.method = method
        self.argument = argument
        self.callerInfo = callerInfo
    }
}

/// Why a call was not answered with a reply.
public struct Rejection: Error, Sendable, Equatable, CustomStringConvertible {
    public var reject: RejectCode
    public var error: ErrorCode
    public var message: String

    public init(_ error: ErrorCode, _ message: String) {
        self.reject = error.reject
        self.error = error
        self.message = message
    }

    public init(reject: RejectCode, error: ErrorCode, message: String) {
        self.reject = reject
        self.error = error
        self.message = message
    }

    public var description: String { "\(error.text): \(message)" }
}

/// What became of an ingress message at the door.
public enum Submission: Sendable, Equatable {
    /// Durably queued; its progress is in `Subnet.requestStatus`. A repeated request id is accepted and not executed again.
    case accepted
    /// Refused before execution (inspect_message, frozen, stopped, unknown canister or method, bad expiry).
    case rejected(Rejection)
}

/// State of an ingress message in the ingress history.
public enum RequestStatus: Sendable, Equatable {
    case unknown
    case received
    case processing
    case replied([UInt8])
    case rejected(Rejection)
    /// The answer was pruned; the call did execute.
    case done

    /// True once no further change but pruning can happen.
    public var isFinal: Bool {
        switch self {
        case .replied, .rejected, .done: true
        case .unknown, .received, .processing: false
        }
    }
}

/// The answer to a query, with what it cost.
public struct QueryOutcome: Sendable, Equatable {
    public enum Answer: Sendable, Equatable {
        case replied([UInt8])
        case rejected(Rejection)
    }
    public var answer: Answer
    public var instructions: UInt64
    /// Time of the state that answered, nanoseconds since 1970.
    public var timestamp: UInt64

    public init(answer: Answer, instructions: UInt64, timestamp: UInt64) {
        self.answer = answer
        self.instructions = instructions
        self.timestamp = timestamp
    }
}
