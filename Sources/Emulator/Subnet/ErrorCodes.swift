/// The classes of rejection a caller can see (interface specification, "Reject codes").
public enum RejectCode: UInt32, Sendable, Equatable, Codable {
    case systemFatal = 1
    case systemTransient = 2
    case destinationInvalid = 3
    case canisterReject = 4
    case canisterError = 5
    case systemUnknown = 6
}

/// The replica's fine-grained error codes; the first of the three digits is the reject code.
public enum ErrorCode: UInt32, Sendable, Equatable, Codable, CaseIterable {
    case subnetOversubscribed = 101
    case maxNumberOfCanistersReached = 102
    case canisterQueueFull = 201
    case ingressMessageTimeout = 202
    case canisterQueueNotEmpty = 203
    case ingressHistoryFull = 204
    case canisterIdAlreadyExists = 205
    case stopCanisterRequestTimeout = 206
    case canisterOutOfCycles = 207
    case certifiedStateUnavailable = 208
    case canisterInstallCodeRateLimited = 209
    case canisterHeapDeltaRateLimited = 210
    case canisterNotFound = 301
    case canisterSnapshotNotFound = 305
    case insufficientMemoryAllocation = 402
    case insufficientCyclesForCreateCanister = 403
    case subnetNotFound = 404
    case canisterNotHostedBySubnet = 405
    case canisterRejectedMessage = 406
    case unknownManagementMessage = 407
    case invalidManagementPayload = 408
    case canisterTrapped = 502
    case canisterCalledTrap = 503
    case canisterContractViolation = 504
    case canisterInvalidWasm = 505
    case canisterDidNotReply = 506
    case canisterOutOfMemory = 507
    case canisterStopped = 508
    case canisterStopping = 509
    case canisterNotStopped = 510
    case canisterStoppingCancelled = 511
    case canisterInvalidController = 512
    case canisterFunctionNotFound = 513
    case canisterNonEmpty = 514
    case queryCallGraphLoopDetected = 517
    case insufficientCyclesInCall = 520
    case canisterWasmEngineError = 521
    case canisterInstructionLimitExceeded = 522
    case canisterMemoryAccessLimitExceeded = 524
    case queryCallGraphTooDeep = 525
    case queryCallGraphTotalInstructionLimitExceeded = 526
    case compositeQueryCalledInReplicatedMode = 527
    case queryTimeLimitExceeded = 528
    case queryCallGraphInternal = 529
    case insufficientCyclesInComputeAllocation = 530
    case insufficientCyclesInMemoryAllocation = 531
    case insufficientCyclesInMemoryGrow = 532
    case reservedCyclesLimitExceededInMemoryAllocation = 533
    case reservedCyclesLimitExceededInMemoryGrow = 534
    case insufficientCyclesInMessageMemoryGrow = 535
    case canisterMethodNotFound = 536
    case canisterWasmModuleNotFound = 537
    case canisterAlreadyInstalled = 538
    case canisterWasmMemoryLimitExceeded = 539
    case reservedCyclesLimitIsTooLow = 540
    case canisterInvalidControllerOrSubnetAdmin = 541
    case canisterStatusAccessDenied = 542
    case deadlineExpired = 601
    case responseDropped = 602

    /// `IC` and four digits, as agents see it.
    public var text: String {
        let digits = String(rawValue)
        return "IC" + String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// The reject code this error belongs to.
    public var reject: RejectCode { RejectCode(rawValue: rawValue / 100) ?? .systemFatal }
}
