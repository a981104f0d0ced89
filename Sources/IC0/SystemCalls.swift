/// Every function of the `ic0` module: one table for whoever imports, validates, meters or implements it.
///
/// Source: interface specification 0.66.0, section "System API", and two functions of the replica's code that it lacks.
public enum SystemCall: UInt8, CaseIterable, Sendable {
    case msgArgDataSize
    case msgArgDataCopy
    case msgCallerSize
    case msgCallerCopy
    case msgCallerInfoDataSize
    case msgCallerInfoDataCopy
    case msgCallerInfoSignerSize
    case msgCallerInfoSignerCopy
    case msgRejectCode
    case msgRejectMsgSize
    case msgRejectMsgCopy
    case msgDeadline
    case msgReplyDataAppend
    case msgReply
    case msgReject
    case msgCyclesAvailable128
    case msgCyclesRefunded128
    case msgCyclesAccept128
    case cyclesBurn128
    case canisterSelfSize
    case canisterSelfCopy
    case canisterCycleBalance128
    case canisterLiquidCycleBalance128
    case canisterStatus
    case canisterVersion
    case subnetSelfSize
    case subnetSelfCopy
    case msgMethodNameSize
    case msgMethodNameCopy
    case acceptMessage
    case callNew
    case callOnCleanup
    case callDataAppend
    case callWithBestEffortResponse
    case callCyclesAdd128
    case callPerform
    case stable64Size
    case stable64Grow
    case stable64Write
    case stable64Read
    case rootKeySize
    case rootKeyCopy
    case certifiedDataSet
    case dataCertificatePresent
    case dataCertificateSize
    case dataCertificateCopy
    case time
    case globalTimerSet
    case performanceCounter
    case isController
    case inReplicatedExecution
    case costCall
    case costCreateCanister
    case costHttpRequest
    case costHttpRequestV2
    case costSignWithEcdsa
    case costSignWithSchnorr
    case costVetkdDeriveKey
    case envVarCount
    case envVarNameSize
    case envVarNameCopy
    case envVarNameExists
    case envVarValueSize
    case envVarValueCopy
    case mintCycles128
    case debugPrint
    case trap
    case msgCyclesAvailable
    case msgCyclesRefunded
    case msgCyclesAccept
    case canisterCycleBalance
    case callCyclesAdd
    case stableSize
    case stableGrow
    case stableWrite
    case stableRead

    /// Name, signature, contexts and whether the function exists only for 32-bit memories.
    ///
    /// In a signature `I` is an address (i32 or i64, by the width of the module's memory), `i` is i32 and `l` is i64.
    public var description: (
        name: StaticString, parameters: StaticString, result: StaticString, contexts: SystemContexts, only32: Bool
    ) {
        switch self {
        case .msgArgDataSize: ("msg_arg_data_size", "", "I", .argument, false)
        case .msgArgDataCopy: ("msg_arg_data_copy", "III", "", .argument, false)
        case .msgCallerSize: ("msg_caller_size", "", "I", .any, false)
        case .msgCallerCopy: ("msg_caller_copy", "III", "", .any, false)
        case .msgCallerInfoDataSize: ("msg_caller_info_data_size", "", "I", .callerInfo, false)
        case .msgCallerInfoDataCopy: ("msg_caller_info_data_copy", "III", "", .callerInfo, false)
        case .msgCallerInfoSignerSize: ("msg_caller_info_signer_size", "", "I", .callerInfo, false)
        case .msgCallerInfoSignerCopy: ("msg_caller_info_signer_copy", "III", "", .callerInfo, false)
        case .msgRejectCode: ("msg_reject_code", "", "i", .callbacksAndCleanup, false)
        case .msgRejectMsgSize: ("msg_reject_msg_size", "", "I", .rejections, false)
        case .msgRejectMsgCopy: ("msg_reject_msg_copy", "III", "", .rejections, false)
        case .msgDeadline: ("msg_deadline", "", "l", .responding, false)
        case .msgReplyDataAppend: ("msg_reply_data_append", "II", "", .respondingOrTransform, false)
        case .msgReply: ("msg_reply", "", "", .respondingOrTransform, false)
        case .msgReject: ("msg_reject", "II", "", .respondingOrTransform, false)
        case .msgCyclesAvailable128: ("msg_cycles_available128", "I", "", .accepting, false)
        case .msgCyclesRefunded128: ("msg_cycles_refunded128", "I", "", .refunded, false)
        case .msgCyclesAccept128: ("msg_cycles_accept128", "llI", "", .accepting, false)
        case .cyclesBurn128: ("cycles_burn128", "llI", "", .burning, false)
        case .canisterSelfSize: ("canister_self_size", "", "I", .any, false)
        case .canisterSelfCopy: ("canister_self_copy", "III", "", .any, false)
        case .canisterCycleBalance128: ("canister_cycle_balance128", "I", "", .any, false)
        case .canisterLiquidCycleBalance128: ("canister_liquid_cycle_balance128", "I", "", .any, false)
        case .canisterStatus: ("canister_status", "", "i", .any, false)
        case .canisterVersion: ("canister_version", "", "l", .any, false)
        case .subnetSelfSize: ("subnet_self_size", "", "I", .any, false)
        case .subnetSelfCopy: ("subnet_self_copy", "III", "", .any, false)
        case .msgMethodNameSize: ("msg_method_name_size", "", "I", .inspection, false)
        case .msgMethodNameCopy: ("msg_method_name_copy", "III", "", .inspection, false)
        case .acceptMessage: ("accept_message", "", "", .inspection, false)
        case .callNew: ("call_new", "IIIIIIII", "", .calling, false)
        case .callOnCleanup: ("call_on_cleanup", "II", "", .calling, false)
        case .callDataAppend: ("call_data_append", "II", "", .calling, false)
        case .callWithBestEffortResponse: ("call_with_best_effort_response", "i", "", .calling, false)
        case .callCyclesAdd128: ("call_cycles_add128", "ll", "", .paying, false)
        case .callPerform: ("call_perform", "", "i", .calling, false)
        case .stable64Size: ("stable64_size", "", "l", .anyAndStart, false)
        case .stable64Grow: ("stable64_grow", "l", "l", .anyAndStart, false)
        case .stable64Write: ("stable64_write", "lll", "", .anyAndStart, false)
        case .stable64Read: ("stable64_read", "lll", "", .anyAndStart, false)
        case .rootKeySize: ("root_key_size", "", "I", .burning, false)
        case .rootKeyCopy: ("root_key_copy", "III", "", .burning, false)
        case .certifiedDataSet: ("certified_data_set", "II", "", .certifying, false)
        case .dataCertificatePresent: ("data_certificate_present", "", "i", .any, false)
        case .dataCertificateSize: ("data_certificate_size", "", "I", .queries, false)
        case .dataCertificateCopy: ("data_certificate_copy", "III", "", .queries, false)
        case .time: ("time", "", "l", .any, false)
        case .globalTimerSet: ("global_timer_set", "l", "l", .scheduling, false)
        case .performanceCounter: ("performance_counter", "i", "l", .anyAndStart, false)
        case .isController: ("is_controller", "II", "i", .anyAndStart, false)
        case .inReplicatedExecution: ("in_replicated_execution", "", "i", .anyAndStart, false)
        case .costCall: ("cost_call", "llI", "", .anyAndStart, false)
        case .costCreateCanister: ("cost_create_canister", "I", "", .anyAndStart, false)
        case .costHttpRequest: ("cost_http_request", "llI", "", .anyAndStart, false)
        case .costHttpRequestV2: ("cost_http_request_v2", "III", "", .anyAndStart, false)
        case .costSignWithEcdsa: ("cost_sign_with_ecdsa", "IIiI", "i", .anyAndStart, false)
        case .costSignWithSchnorr: ("cost_sign_with_schnorr", "IIiI", "i", .anyAndStart, false)
        case .costVetkdDeriveKey: ("cost_vetkd_derive_key", "IIiI", "i", .anyAndStart, false)
        case .envVarCount: ("env_var_count", "", "I", .any, false)
        case .envVarNameSize: ("env_var_name_size", "I", "I", .any, false)
        case .envVarNameCopy: ("env_var_name_copy", "IIII", "", .any, false)
        case .envVarNameExists: ("env_var_name_exists", "II", "i", .any, false)
        case .envVarValueSize: ("env_var_value_size", "II", "I", .any, false)
        case .envVarValueCopy: ("env_var_value_copy", "IIIII", "", .any, false)
        case .mintCycles128: ("mint_cycles128", "llI", "", .minting, false)
        case .debugPrint: ("debug_print", "II", "", .anyAndStart, false)
        case .trap: ("trap", "II", "", .anyAndStart, false)
        case .msgCyclesAvailable: ("msg_cycles_available", "", "l", .accepting, true)
        case .msgCyclesRefunded: ("msg_cycles_refunded", "", "l", .refunded, true)
        case .msgCyclesAccept: ("msg_cycles_accept", "l", "l", .accepting, true)
        case .canisterCycleBalance: ("canister_cycle_balance", "", "l", .any, true)
        case .callCyclesAdd: ("call_cycles_add", "l", "", .paying, true)
        case .stableSize: ("stable_size", "", "i", .anyAndStart, true)
        case .stableGrow: ("stable_grow", "i", "i", .anyAndStart, true)
        case .stableWrite: ("stable_write", "iii", "", .anyAndStart, true)
        case .stableRead: ("stable_read", "iii", "", .anyAndStart, true)
        }
    }

    public var name: StaticString { description.name }
    public var contexts: SystemContexts { description.contexts }

    /// Parameter types for a module with 64-bit (`wide`) or 32-bit memory; nil when the function does not exist there.
    public func parameters(wide: Bool) -> [SystemValue]? {
        let entry = description
        return wide && entry.only32 ? nil : Self.values(entry.parameters, wide: wide)
    }

    /// Result types, at most one.
    public func results(wide: Bool) -> [SystemValue] { Self.values(description.result, wide: wide) }

    /// The function of this name (UTF-8), or nil.
    public init?(name: [UInt8]) {
        for call in Self.allCases where call.hasName(name) {
            self = call
            return
        }
        return nil
    }

    private func hasName(_ bytes: [UInt8]) -> Bool {
        let name = description.name
        guard name.utf8CodeUnitCount == bytes.count else { return false }
        for index in 0..<bytes.count where name.utf8Start[index] != bytes[index] { return false }
        return true
    }

    private static func values(_ code: StaticString, wide: Bool) -> [SystemValue] {
        var values: [SystemValue] = []
        for index in 0..<code.utf8CodeUnitCount {
            switch code.utf8Start[index] {
            case UInt8(ascii: "I"): values.append(wide ? .i64 : .i32)
            case UInt8(ascii: "l"): values.append(.i64)
            default: values.append(.i32)
            }
        }
        return values
    }
}

/// Wasm types of the system API.
public enum SystemValue: UInt8, Sendable {
    case i32 = 0x7f
    case i64 = 0x7e
}

/// The execution contexts of the specification, each a bit.
public struct SystemContexts: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `s`: the module's start function.
    public static let start = SystemContexts(rawValue: 1 << 0)
    /// `I`: canister_init and canister_post_upgrade.
    public static let initialization = SystemContexts(rawValue: 1 << 1)
    /// `G`: canister_pre_upgrade.
    public static let preUpgrade = SystemContexts(rawValue: 1 << 2)
    /// `U`
    public static let update = SystemContexts(rawValue: 1 << 3)
    /// `RQ`: a query called as an update.
    public static let replicatedQuery = SystemContexts(rawValue: 1 << 4)
    /// `NRQ`
    public static let query = SystemContexts(rawValue: 1 << 5)
    /// `TQ`: transform function of an HTTP outcall.
    public static let transform = SystemContexts(rawValue: 1 << 6)
    /// `CQ`
    public static let compositeQuery = SystemContexts(rawValue: 1 << 7)
    /// `Ry`
    public static let reply = SystemContexts(rawValue: 1 << 8)
    /// `Rt`
    public static let reject = SystemContexts(rawValue: 1 << 9)
    /// `CRy`
    public static let compositeReply = SystemContexts(rawValue: 1 << 10)
    /// `CRt`
    public static let compositeReject = SystemContexts(rawValue: 1 << 11)
    /// `C`
    public static let cleanup = SystemContexts(rawValue: 1 << 12)
    /// `CC`
    public static let compositeCleanup = SystemContexts(rawValue: 1 << 13)
    /// `F`
    public static let inspectMessage = SystemContexts(rawValue: 1 << 14)
    /// `T`: heartbeat, global timer, low-memory hook.
    public static let task = SystemContexts(rawValue: 1 << 15)

    static let any: SystemContexts = SystemContexts(rawValue: 0xffff).subtracting(.start)
    static let anyAndStart = SystemContexts(rawValue: 0xffff)
    static let allQueries: SystemContexts = [.replicatedQuery, .query, .compositeQuery]
    static let callbacks: SystemContexts = [.reply, .reject, .compositeReply, .compositeReject]
    static let callbacksAndCleanup: SystemContexts = [
        .reply, .reject, .compositeReply, .compositeReject, .cleanup, .compositeCleanup,
    ]
    static let rejections: SystemContexts = [.reject, .compositeReject]
    static let argument: SystemContexts = [
        .initialization, .update, .allQueries, .transform, .reply, .compositeReply, .inspectMessage,
    ]
    static let callerInfo: SystemContexts = [.update, .allQueries, .callbacksAndCleanup, .inspectMessage]
    static let responding: SystemContexts = [.update, .allQueries, .callbacks]
    static let respondingOrTransform: SystemContexts = [.responding, .transform]
    static let accepting: SystemContexts = [.update, .replicatedQuery, .reply, .reject]
    static let refunded: SystemContexts = [.reply, .reject]
    static let burning: SystemContexts = [
        .initialization, .preUpgrade, .update, .replicatedQuery, .reply, .reject, .cleanup, .task,
    ]
    static let inspection: SystemContexts = [.inspectMessage]
    static let calling: SystemContexts = [.update, .compositeQuery, .callbacks, .task]
    static let paying: SystemContexts = [.update, .reply, .reject, .task]
    static let certifying: SystemContexts = [.initialization, .preUpgrade, .update, .reply, .reject, .task]
    static let queries: SystemContexts = [.query, .compositeQuery]
    static let scheduling: SystemContexts = [
        .initialization, .preUpgrade, .update, .reply, .reject, .cleanup, .task,
    ]
    static let minting: SystemContexts = [.update, .reply, .reject, .task]
}
