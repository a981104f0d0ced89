import Foundation
import IC0

/// The functions of `ic0`: context check, charge, effect (interface specification, "System API").
extension Execution {
    /// Contexts of each call by its number: the table of `IC0`, which lies in another module, looked up once.
    private static let contexts = SystemCall.allCases.map(\.contexts)

    func perform(_ call: SystemCall, _ a: SystemArguments) throws(ExecutionFailure) {
        guard Self.contexts[Int(call.rawValue)].contains(message.context) else {
            throw .contractViolation(
                "\"ic0.\(call.name)\" cannot be executed in \(message.context.modeName) mode")
        }
        switch call {
        case .msgArgDataSize: try size(message.argument, a)
        case .msgArgDataCopy: try copy(call, message.argument, a)
        case .msgCallerSize: try size(message.caller, a)
        case .msgCallerCopy: try copy(call, message.caller, a)
        case .msgCallerInfoDataSize: try size(message.callerInfo?.data ?? [], a)
        case .msgCallerInfoDataCopy: try copy(call, message.callerInfo?.data ?? [], a)
        case .msgCallerInfoSignerSize: try size(message.callerInfo?.signer.bytes ?? [], a)
        case .msgCallerInfoSignerCopy: try copy(call, message.callerInfo?.signer.bytes ?? [], a)
        case .msgRejectCode:
            try charge(500)
            a.returnI32(Int32(message.rejectCode))
        case .msgRejectMsgSize: try size(message.rejectMessage, a)
        case .msgRejectMsgCopy: try copy(call, message.rejectMessage, a)
        case .msgDeadline:
            try charge(500)
            a.returnU64(message.deadline)
        case .msgReplyDataAppend: try replyDataAppend(a)
        case .msgReply: try reply()
        case .msgReject: try reject(a)
        case .canisterSelfSize: try size(canister.id.bytes, a)
        case .canisterSelfCopy: try copy(call, canister.id.bytes, a)
        case .canisterStatus:
            try charge(500)
            a.returnI32(canister.status)
        case .canisterVersion:
            try charge(500)
            a.returnU64(canister.version)
        case .subnetSelfSize: try size(canister.subnetID.bytes, a)
        case .subnetSelfCopy: try copy(call, canister.subnetID.bytes, a)
        case .msgMethodNameSize: try size(message.methodName, a)
        case .msgMethodNameCopy: try copy(call, message.methodName, a)
        case .acceptMessage:
            try charge(500)
            guard !acceptedMessage else {
                throw .contractViolation("ic0.accept_message: the function was already called")
            }
            acceptedMessage = true
        case .rootKeySize: try size(canister.rootKey, a)
        case .rootKeyCopy: try copy(call, canister.rootKey, a)
        case .certifiedDataSet: try certifiedDataSet(a)
        case .dataCertificatePresent:
            try charge(500)
            a.returnI32(message.certificate == nil ? 0 : 1)
        case .dataCertificateSize: try size(certificate(), a)
        case .dataCertificateCopy: try copy(call, certificate(), a)
        case .time:
            try charge(500)
            a.returnU64(canister.time)
        case .globalTimerSet:
            try charge(500)
            let previous = timer ?? canister.timer
            timer = a.u64(0)
            a.returnU64(previous)
        case .performanceCounter: try performanceCounter(a)
        case .isController:
            let (source, count) = (a.address(0), a.address(1))
            try charge(1000 &+ count)
            let bytes = try read(source, count)
            guard bytes.count <= 29 else {
                throw .contractViolation("ic0.is_controller: \(bytes.count) bytes are no principal, at most 29")
            }
            a.returnI32(canister.controllers.contains { $0.bytes == bytes } ? 1 : 0)
        case .inReplicatedExecution:
            try charge(500)
            a.returnI32(message.replicated ? 1 : 0)
        case .debugPrint: try debugPrint(a)
        case .trap: try trap(a)
        case .stableSize, .stableGrow, .stableWrite, .stableRead, .stable64Size, .stable64Grow, .stable64Write,
            .stable64Read:
            try stableCall(call, a)
        case .msgCyclesAvailable128, .msgCyclesRefunded128, .msgCyclesAccept128, .cyclesBurn128,
            .canisterCycleBalance128, .canisterLiquidCycleBalance128, .msgCyclesAvailable, .msgCyclesRefunded,
            .msgCyclesAccept, .canisterCycleBalance, .mintCycles128:
            try cyclesCall(call, a)
        case .callNew, .callOnCleanup, .callDataAppend, .callWithBestEffortResponse, .callCyclesAdd128,
            .callCyclesAdd, .callPerform:
            try outgoingCall(call, a)
        case .costCall, .costCreateCanister, .costHttpRequest, .costHttpRequestV2, .costSignWithEcdsa,
            .costSignWithSchnorr, .costVetkdDeriveKey:
            try costCall(call, a)
        case .envVarCount, .envVarNameSize, .envVarNameCopy, .envVarNameExists, .envVarValueSize, .envVarValueCopy:
            try environmentCall(call, a)
        }
    }

    // MARK: Memory

    /// Bytes of the heap, or the heap-out-of-bounds trap.
    func slice(_ address: UInt64, _ count: UInt64) throws(ExecutionFailure) -> UnsafeMutableRawBufferPointer {
        let size = UInt64(heap?.bytes ?? 0)
        guard count <= size, address <= size - count else { throw .trapped("heap out of bounds") }
        guard count > 0, let heap else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        return UnsafeMutableRawBufferPointer(start: heap.base + Int(address), count: Int(count))
    }

    func read(_ address: UInt64, _ count: UInt64) throws(ExecutionFailure) -> [UInt8] {
        [UInt8](try slice(address, count))
    }

    private func size(_ bytes: [UInt8], _ a: SystemArguments) throws(ExecutionFailure) {
        try charge(500)
        a.returnAddress(bytes.count)
    }

    /// (dst, offset, size) from argument `first` on.
    func copy(
        _ call: SystemCall, _ bytes: [UInt8], _ a: SystemArguments, first: Int = 0
    ) throws(ExecutionFailure) {
        let (target, offset, count) = (a.address(first), a.address(first + 1), a.address(first + 2))
        try charge(500 &+ count)
        let length = UInt64(bytes.count)
        guard offset <= length, count <= length - offset else {
            throw .contractViolation(
                "ic0.\(call.name): src=\(offset) + length=\(count) exceeds the slice size=\(length)")
        }
        let destination = try slice(target, count)
        bytes.withUnsafeBytes {
            destination.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset + count)]))
        }
    }

    /// 16 bytes little-endian.
    func write(_ amount: UInt128, at address: UInt64) throws(ExecutionFailure) {
        let destination = try slice(address, 16)
        destination.storeBytes(of: UInt64(truncatingIfNeeded: amount).littleEndian, toByteOffset: 0, as: UInt64.self)
        destination.storeBytes(
            of: UInt64(truncatingIfNeeded: amount >> 64).littleEndian, toByteOffset: 8, as: UInt64.self)
    }

    func utf8(_ bytes: [UInt8], _ call: SystemCall) throws(ExecutionFailure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .contractViolation("ic0.\(call.name): the text is not valid UTF-8")
        }
        return text
    }

    // MARK: Responses

    private func responseOwed(_ call: SystemCall) throws(ExecutionFailure) {
        guard message.mayRespond, response == nil else {
            throw .contractViolation("ic0.\(call.name): the call is already replied")
        }
    }

    private func replyDataAppend(_ a: SystemArguments) throws(ExecutionFailure) {
        let (source, count) = (a.address(0), a.address(1))
        try charge(500 &+ count.multipliedReportingOverflow(by: 50).partialValue)
        try responseOwed(.msgReplyDataAppend)
        let bytes = try slice(source, count)
        guard replyData.count + bytes.count <= message.replyLimit else {
            throw .contractViolation(
                "ic0.msg_reply_data_append: application payload size (\(replyData.count + bytes.count)) cannot be "
                    + "larger than \(message.replyLimit).")
        }
        replyData.append(contentsOf: bytes)
    }

    private func reply() throws(ExecutionFailure) {
        try charge(500)
        try responseOwed(.msgReply)
        response = .reply(replyData)
        replyData = []
        message.available = 0
    }

    private func reject(_ a: SystemArguments) throws(ExecutionFailure) {
        let (source, count) = (a.address(0), a.address(1))
        try charge(500 &+ count.multipliedReportingOverflow(by: 50).partialValue)
        try responseOwed(.msgReject)
        let bytes = try read(source, count)
        guard bytes.count <= message.replyLimit else {
            throw .contractViolation("ic0.msg_reject: application payload size (\(bytes.count)) cannot be larger than \(message.replyLimit).")
        }
        let text = try utf8(bytes, .msgReject)
        replyData = []
        response = .reject(text)
        message.available = 0
    }

    // MARK: Single functions

    private func certificate() throws(ExecutionFailure) -> [UInt8] {
        guard let certificate = message.certificate else {
            throw .contractViolation("ic0.data_certificate: no data certificate is available")
        }
        return certificate
    }

    private func certifiedDataSet(_ a: SystemArguments) throws(ExecutionFailure) {
        let (source, count) = (a.address(0), a.address(1))
        try charge(500 &+ count)
        let limit = canister.configuration.limits.certifiedDataBytes
        guard count <= UInt64(limit) else {
            throw .contractViolation("ic0.certified_data_set: size \(count) is larger than \(limit)")
        }
        certifiedData = try read(source, count)
    }

    private func performanceCounter(_ a: SystemArguments) throws(ExecutionFailure) {
        try charge(200)
        switch a.u32(0) {
        case 0: a.returnU64(instructionsUsed)
        case 1: a.returnU64(message.contextInstructions + instructionsUsed)
        default: throw .contractViolation("ic0.performance_counter: unknown counter type \(a.u32(0))")
        }
    }

    /// Charge for text that may be logged: two per byte that fits the log at all, fifty per byte of free space.
    private func logCharge(_ count: UInt64) -> UInt64 {
        2 * min(count, UInt64(log.capacity)) + 50 * min(count, UInt64(log.free))
    }

    private func debugPrint(_ a: SystemArguments) throws(ExecutionFailure) {
        let (source, count) = (a.address(0), a.address(1))
        try charge(100 + logCharge(count))
        // Never traps: a range outside of the heap prints a remark instead.
        let size = UInt64(heap?.bytes ?? 0)
        let inside = count <= size && source <= size - count
        let content = inside
            ? try read(source, min(count, UInt64(log.capacity))) : Array("(debug_print message out of memory bounds)".utf8)
        appendLog(content)
    }

    private func trap(_ a: SystemArguments) throws(ExecutionFailure) {
        let (source, count) = (a.address(0), a.address(1))
        try charge(500 &+ count &+ logCharge(count))
        let size = UInt64(heap?.bytes ?? 0)
        let inside = count <= size && source <= size - count
        let limit = UInt64(canister.configuration.limits.rejectMessageBytes)
        let content = inside ? try read(source, min(count, limit)) : Array("(trap message out of memory bounds)".utf8)
        throw .calledTrap(String(decoding: content, as: UTF8.self))
    }

    /// Appends to the canister's log; only replicated executions do.
    func appendLog(_ content: [UInt8]) {
        guard message.replicated else { return }
        log.append(content, time: canister.time)
        canister.configuration.onDebugPrint?(canister.id, String(decoding: content, as: UTF8.self))
    }
}

extension SystemContexts {
    /// The replica's word for a context, as it appears in error texts.
    var modeName: String {
        switch self {
        case .start: "start"
        case .initialization: "init"
        case .preUpgrade: "pre upgrade"
        case .update: "update"
        case .replicatedQuery: "replicated query"
        case .query: "non replicated query"
        case .transform: "transform query"
        case .compositeQuery: "composite query"
        case .reply: "reply callback"
        case .reject: "reject callback"
        case .compositeReply: "composite reply callback"
        case .compositeReject: "composite reject callback"
        case .cleanup: "cleanup callback"
        case .compositeCleanup: "composite cleanup callback"
        case .inspectMessage: "inspect message"
        default: "system task"
        }
    }
}
