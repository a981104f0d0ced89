import IC0

/// Environment variables of the canister's settings, sorted by name.
extension Execution {
    func environmentCall(_ call: SystemCall, _ a: SystemArguments) throws(ExecutionFailure) {
        switch call {
        case .envVarCount:
            try charge(500)
            a.returnAddress(canister.variables.count)
        case .envVarNameSize:
            try charge(500)
            a.returnAddress(try variable(a.address(0), call).name.count)
        case .envVarNameCopy:
            let index = a.address(0)
            guard index < UInt64(canister.variables.count) else {
                try charge(500)
                throw Self.outOfRange(call, index)
            }
            try copy(call, canister.variables[Int(index)].name, a, first: 1)
        case .envVarNameExists:
            try charge(500)
            a.returnI32(try value(a, call) == nil ? 0 : 1)
        case .envVarValueSize:
            try charge(500)
            a.returnAddress(try existing(a, call).count)
        default:
            try copy(call, try existing(a, call), a, first: 2)
        }
    }

    private static func outOfRange(_ call: SystemCall, _ index: UInt64) -> ExecutionFailure {
        .contractViolation("ic0.\(call.name): there is no environment variable with index \(index)")
    }

    private func variable(
        _ index: UInt64, _ call: SystemCall
    ) throws(ExecutionFailure) -> (name: [UInt8], value: [UInt8]) {
        guard index < UInt64(canister.variables.count) else { throw Self.outOfRange(call, index) }
        return canister.variables[Int(index)]
    }

    private func value(_ a: SystemArguments, _ call: SystemCall) throws(ExecutionFailure) -> [UInt8]? {
        let limit = canister.configuration.limits.environmentVariableBytes
        guard a.address(1) <= UInt64(limit) else {
            throw .contractViolation("ic0.\(call.name): name of \(a.address(1)) bytes, at most \(limit)")
        }
        let name = try read(a.address(0), a.address(1))
        _ = try utf8(name, call)
        return canister.variables.first { $0.name == name }?.value
    }

    private func existing(_ a: SystemArguments, _ call: SystemCall) throws(ExecutionFailure) -> [UInt8] {
        guard let value = try value(a, call) else {
            throw .contractViolation("ic0.\(call.name): there is no environment variable of this name")
        }
        return value
    }
}
