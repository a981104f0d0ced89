import InternetComputer

/// Record formats of the state store. The first byte of a canister's record is the version of the format.
extension CanisterState {
    static let format: UInt8 = 3

    var encoded: [UInt8] {
        var w = ByteWriter()
        w.u8(Self.format)
        w.principal(id)
        settings.write(to: &w)
        w.u8(status.rawValue)
        w.u64(version)
        w.u128(balance)
        w.blob(certifiedData)
        w.u64(timer)
        w.optional(moduleHash) { $0.blob($1) }
        w.u64(moduleBytes)
        w.list(globals) {
            $0.u8($1.type)
            $0.u64($1.low)
            $0.u64($1.high)
        }
        for value in [heapGeneration, stableGeneration, heapBytes, stableBytes] { w.u64(value) }
        w.list(contexts.values.sorted { $0.id < $1.id }) { $1.write(to: &$0) }
        w.list(callbacks.sorted { $0.key < $1.key }) {
            $0.u64($1.key)
            $1.value.write(to: &$0)
        }
        w.u64(nextID)
        w.u64(log.nextIndex)
        w.list(log.records) {
            $0.u64($1.index)
            $0.u64($1.time)
            $0.blob($1.content)
        }
        w.list(history) { $1.write(to: &$0) }
        for value in [totalHistory, created, installed, charged] { w.u64(value) }
        w.list(consumed.sorted { $0.key < $1.key }) {
            $0.text($1.key)
            $0.u128($1.value)
        }
        w.list(chunks) { $0.blob($1) }
        w.list(stopCalls) {
            $1.request.write(to: &$0)
            $0.u64($1.deadline)
        }
        w.u8(lowMemoryHook.rawValue)
        w.list(snapshots) { $1.write(to: &$0) }
        w.u128(reserved)
        let statistics = queryStatistics
        for value in [
            statistics.calls, statistics.instructions, statistics.requestBytes, statistics.responseBytes,
        ] { w.u64(value) }
        return w.bytes
    }

    init(encoded bytes: [UInt8]) throws(StateFormatError) {
        var r = ByteReader(bytes)
        let format = try r.u8()
        guard (1...Self.format).contains(format) else { throw StateFormatError(offset: 0) }
        let id = try r.principal()
        self.init(id: id, settings: try CanisterSettings(&r))
        guard let status = Status(rawValue: try r.u8()) else { throw StateFormatError(offset: r.offset) }
        self.status = status
        version = try r.u64()
        balance = try r.u128()
        certifiedData = try r.blob()
        timer = try r.u64()
        moduleHash = try r.optional { (r) throws(StateFormatError) in try r.blob() }
        moduleBytes = try r.u64()
        globals = try r.list { (r) throws(StateFormatError) in
            GlobalValue(type: try r.u8(), low: try r.u64(), high: try r.u64())
        }
        heapGeneration = try r.u64()
        stableGeneration = try r.u64()
        heapBytes = try r.u64()
        stableBytes = try r.u64()
        for context in try r.list({ (r) throws(StateFormatError) in try CallContext(&r, format: format) }) { contexts[context.id] = context }
        for (key, value) in try r.list({ (r) throws(StateFormatError) in (try r.u64(), try Callback(&r)) }) {
            callbacks[key] = value
        }
        nextID = try r.u64()
        log.nextIndex = try r.u64()
        log.records = try r.list { (r) throws(StateFormatError) in
            CanisterLog.Record(index: try r.u64(), time: try r.u64(), content: try r.blob())
        }
        log.used = log.records.reduce(0) { $0 + $1.content.count + CanisterLog.recordOverhead }
        history = try r.list { (r) throws(StateFormatError) in try HistoryEntry(&r) }
        totalHistory = try r.u64()
        created = try r.u64()
        installed = try r.u64()
        charged = try r.u64()
        for (key, value) in try r.list({ (r) throws(StateFormatError) in (try r.text(), try r.u128()) }) {
            consumed[key] = value
        }
        chunks = try r.list { (r) throws(StateFormatError) in try r.blob() }
        stopCalls = try r.list { (r) throws(StateFormatError) in (try CallRequest(&r), try r.u64()) }
        guard format >= 2 else { return }
        guard let hook = LowMemoryHook(rawValue: try r.u8()) else { throw StateFormatError(offset: r.offset) }
        lowMemoryHook = hook
        snapshots = try r.list { (r) throws(StateFormatError) in try Snapshot(&r) }
        reserved = try r.u128()
        queryStatistics.calls = try r.u64()
        queryStatistics.instructions = try r.u64()
        queryStatistics.requestBytes = try r.u64()
        queryStatistics.responseBytes = try r.u64()
    }
}

extension CanisterSettings {
    func write(to w: inout ByteWriter) {
        w.list(controllers) { $0.principal($1) }
        for value in [computeAllocation, memoryAllocation, freezingThreshold, wasmMemoryLimit, wasmMemoryThreshold] {
            w.u64(value)
        }
        w.u128(reservedCyclesLimit)
        w.u128(minimumIncomingCycles)
        for visibility in [logVisibility, snapshotVisibility, statusVisibility] {
            switch visibility {
            case .controllers: w.u8(0)
            case .everyone: w.u8(1)
            case .viewers(let viewers):
                w.u8(2)
                w.list(viewers) { $0.principal($1) }
            }
        }
        w.list(variables) {
            $0.blob($1.name)
            $0.blob($1.value)
        }
    }

    init(_ r: inout ByteReader) throws(StateFormatError) {
        self.init(controllers: try r.list { (r) throws(StateFormatError) in try r.principal() })
        computeAllocation = try r.u64()
        memoryAllocation = try r.u64()
        freezingThreshold = try r.u64()
        wasmMemoryLimit = try r.u64()
        wasmMemoryThreshold = try r.u64()
        reservedCyclesLimit = try r.u128()
        minimumIncomingCycles = try r.u128()
        func visibility(_ r: inout ByteReader) throws(StateFormatError) -> Visibility {
            switch try r.u8() {
            case 0: return .controllers
            case 1: return .everyone
            case 2: return .viewers(try r.list { (r) throws(StateFormatError) in try r.principal() })
            default: throw StateFormatError(offset: r.offset)
            }
        }
        logVisibility = try visibility(&r)
        snapshotVisibility = try visibility(&r)
        statusVisibility = try visibility(&r)
        variables = try r.list { (r) throws(StateFormatError) in (try r.blob(), try r.blob()) }
    }
}

extension CallOrigin {
    func write(to w: inout ByteWriter) {
        switch self {
        case .ingress(let id):
            w.u8(0)
            w.blob(id)
        case .canister(let principal, let callback):
            w.u8(1)
            w.principal(principal)
            w.u64(callback)
        case .system: w.u8(2)
        }
    }

    init(_ r: inout ByteReader) throws(StateFormatError) {
        switch try r.u8() {
        case 0: self = .ingress(requestID: try r.blob())
        case 1: self = .canister(try r.principal(), callback: try r.u64())
        case 2: self = .system
        default: throw StateFormatError(offset: r.offset)
        }
    }
}

extension CallRequest {
    func write(to w: inout ByteWriter) {
        origin.write(to: &w)
        w.principal(sender)
        w.text(method)
        w.blob(argument)
        w.u128(cycles)
        w.u64(deadline)
        w.u128(ingressCost)
    }

    init(_ r: inout ByteReader) throws(StateFormatError) {
        self.init(
            origin: try CallOrigin(&r), sender: try r.principal(), method: try r.text(), argument: try r.blob(),
            cycles: try r.u128(), deadline: try r.u64(), ingressCost: try r.u128())
    }
}

extension QueuedMessage {
    var encoded: [UInt8] {
        var w = ByteWriter()
        switch self {
        case .request(let request):
            w.u8(request.callerInfo == nil ? 0 : 6)
            request.callerInfo?.write(to: &w)
            request.write(to: &w)
        case .response(let callback, let response):
            w.u8(1)
            w.u64(callback)
            w.u128(response.refund)
            switch response.payload {
            case .reply(let bytes):
                w.u8(0)
                w.blob(bytes)
            case .reject(let code, let text):
                w.u8(1)
                w.u32(code.rawValue)
                w.text(text)
            }
        case .management(let request):
            w.u8(2)
            request.write(to: &w)
        case .heartbeat: w.u8(3)
        case .timer: w.u8(4)
        case .lowMemory: w.u8(5)
        }
        return w.bytes
    }

    init(encoded bytes: [UInt8]) throws(StateFormatError) {
        var r = ByteReader(bytes)
        switch try r.u8() {
        case 0: self = .request(try CallRequest(&r))
        case 1:
            let callback = try r.u64()
            let refund = try r.u128()
            if try r.u8() == 0 {
                self = .response(callback: callback, CallResponse(payload: .reply(try r.blob()), refund: refund))
            } else {
                let code = RejectCode(rawValue: try r.u32()) ?? .systemUnknown
                self = .response(
                    callback: callback, CallResponse(payload: .reject(code, try r.text()), refund: refund))
            }
        case 2: self = .management(try CallRequest(&r))
        case 3: self = .heartbeat
        case 4: self = .timer
        case 5: self = .lowMemory
        case 6:
            let info = try CallerInfo(&r)
            var request = try CallRequest(&r)
            request.callerInfo = info
            self = .request(request)
        default: throw StateFormatError(offset: 0)
        }
    }
}

extension CallContext {
    func write(to w: inout ByteWriter) {
        w.u64(id)
        origin.write(to: &w)
        w.principal(caller)
        w.u128(available)
        w.bool(responded)
        w.u64(UInt64(openCallbacks))
        w.u64(instructions)
        w.u64(deadline)
        w.optional(callerInfo) { $1.write(to: &$0) }
    }

    init(_ r: inout ByteReader, format: UInt8) throws(StateFormatError) {
        self.init(
            id: try r.u64(), origin: try CallOrigin(&r), caller: try r.principal(), available: try r.u128(),
            responded: try r.bool(), openCallbacks: Int(truncatingIfNeeded: try r.u64()), instructions: try r.u64(),
            deadline: try r.u64())
        guard format >= 3 else { return }
        callerInfo = try r.optional { (r) throws(StateFormatError) in try CallerInfo(&r) }
    }
}

extension CallerInfo {
    func write(to w: inout ByteWriter) {
        w.blob(data)
        w.principal(signer)
    }

    init(_ r: inout ByteReader) throws(StateFormatError) {
        self.init(data: try r.blob(), signer: try r.principal())
    }
}

extension Callback {
    func write(to w: inout ByteWriter) {
        w.u64(context)
        w.principal(callee)
        func closure(_ w: inout ByteWriter, _ closure: OutgoingCall.Closure) {
            w.u64(closure.function)
            w.u64(closure.environment)
        }
        closure(&w, onReply)
        closure(&w, onReject)
        w.optional(onCleanup, closure)
        w.u128(reserved)
        w.u64(deadline)
    }

    init(_ r: inout ByteReader) throws(StateFormatError) {
        let context = try r.u64()
        let callee = try r.principal()
        func closure(_ r: inout ByteReader) throws(StateFormatError) -> OutgoingCall.Closure {
            OutgoingCall.Closure(function: try r.u64(), environment: try r.u64())
        }
        let onReply = try closure(&r)
        let onReject = try closure(&r)
        let onCleanup = try r.optional(closure)
        self.init(
            context: context, callee: callee, onReply: onReply, onReject: onReject, onCleanup: onCleanup,
            reserved: try r.u128(), deadline: try r.u64())
    }
}

extension HistoryEntry {
    func write(to w: inout ByteWriter) {
        w.u64(time)
        w.u64(version)
        switch origin {
        case .user(let principal):
            w.u8(0)
            w.principal(principal)
        case .canister(let principal, let version):
            w.u8(1)
            w.principal(principal)
            w.optional(version) { $0.u64($1) }
        }
        switch details {
        case .creation(let controllers):
            w.u8(0)
            w.list(controllers) { $0.principal($1) }
        case .uninstall: w.u8(1)
        case .deployment(let mode, let hash):
            w.u8(2)
            w.u8(mode)
            w.blob(hash)
        case .controllers(let controllers):
            w.u8(3)
            w.list(controllers) { $0.principal($1) }
        case .snapshot(let id, let version, let taken):
            w.u8(4)
            w.blob(id)
            w.u64(version)
            w.u64(taken)
        }
    }

    init(_ r: inout ByteReader) throws(StateFormatError) {
        let time = try r.u64()
        let version = try r.u64()
        let origin: Origin
        if try r.u8() == 0 {
            origin = .user(try r.principal())
        } else {
            origin = .canister(
                try r.principal(), version: try r.optional { (r) throws(StateFormatError) in try r.u64() })
        }
        let details: Details
        switch try r.u8() {
        case 0: details = .creation(try r.list { (r) throws(StateFormatError) in try r.principal() })
        case 1: details = .uninstall
        case 2: details = .deployment(mode: try r.u8(), moduleHash: try r.blob())
        case 3: details = .controllers(try r.list { (r) throws(StateFormatError) in try r.principal() })
        case 4: details = .snapshot(id: try r.blob(), version: try r.u64(), taken: try r.u64())
        default: throw StateFormatError(offset: r.offset)
        }
        self.init(time: time, version: version, origin: origin, details: details)
    }
}
