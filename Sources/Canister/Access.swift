import Candid
import IC0

extension Classifier {
    /// The principal of requests without a signature.
    static var anonymous: [UInt8] { [4] }

    /// Whether the caller may do what needs this kind of access. The anonymous caller never changes anything.
    func isAllowed(_ access: Access) -> Bool {
        let role: Roles
        switch access {
        case .everyone: return true
        case .readers:
            guard store.directory.settings.readersOnly else { return true }
            role = .reader
        case .uploaders: role = .uploader
        case .trainers: role = [.uploader, .trainer]
        case .controllers: role = []
        }
        let caller = system.caller()
        guard caller != Self.anonymous else { return false }
        if system.isController(caller) { return true }
        guard !role.isEmpty, let member = store.directory.members.first(where: { $0.principal == caller })
        else { return false }
        return !member.roles.isDisjoint(with: role)
    }

    /// Counts a classification by update call against the caller's rate, or says when the next one may come.
    ///
    /// Queries leave no trace, so they cannot be counted; controllers are not.
    func admitUpdate() throws(ClassifierError) {
        let limit = store.directory.settings.updatesPerMinute
        guard limit > 0 else { return }
        let caller = system.caller()
        if system.isController(caller) { return }
        try rates.admit(caller, now: system.time(), limit: limit)
    }

    /// The same answer without counting.
    func wouldAdmitUpdate() -> Bool {
        let limit = store.directory.settings.updatesPerMinute
        guard limit > 0 else { return true }
        let caller = system.caller()
        return system.isController(caller) || rates.wait(caller, now: system.time(), limit: limit) == 0
    }
}

/// How often each caller came within a minute. It lives on the heap: an upgrade forgets it.
struct CallRates {
    private struct Entry {
        let caller: [UInt8]
        /// Nanoseconds since 1970.
        var start: UInt64
        var count: UInt32
    }

    private var entries: [Entry] = []

    static var window: UInt64 { 60_000_000_000 }

    /// Seconds until the caller may come again; 0 when it may now.
    func wait(_ caller: [UInt8], now: UInt64, limit: UInt32) -> UInt64 {
        for entry in entries where entry.caller == caller {
            let age = now &- entry.start
            guard age < Self.window, entry.count >= limit else { return 0 }
            return (Self.window - age + 999_999_999) / 1_000_000_000
        }
        return 0
    }

    mutating func admit(_ caller: [UInt8], now: UInt64, limit: UInt32) throws(ClassifierError) {
        let seconds = wait(caller, now: now, limit: limit)
        guard seconds == 0 else { throw .rateLimited(retryAfterSeconds: seconds) }
        if let index = entries.firstIndex(where: { $0.caller == caller }) {
            if now &- entries[index].start >= Self.window {
                entries[index] = Entry(caller: caller, start: now, count: 0)
            }
            entries[index].count += 1
            return
        }
        if entries.count >= Limits.ratedCallers {
            entries.removeAll { now &- $0.start >= Self.window }
        }
        // More callers than fit within one minute: the one that came first is forgotten.
        if entries.count >= Limits.ratedCallers { entries.removeFirst() }
        entries.append(Entry(caller: caller, start: now, count: 1))
    }
}
